from skillbox_executor.main import main

main()
