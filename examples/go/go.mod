module github.com/skillbox-dev/skillbox/examples/go

go 1.25

require github.com/skillbox-dev/skillbox/clients/go v0.0.0

replace github.com/skillbox-dev/skillbox/clients/go => ../../clients/go
