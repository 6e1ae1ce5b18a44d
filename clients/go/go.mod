module github.com/skillbox-dev/skillbox/clients/go

go 1.25
