from skillbox_local.main import main

main()
