from skillbox_gateway.main import main

main()
