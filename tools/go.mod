module github.com/ringfence/ringfence/tools

go 1.26.8

require (
	github.com/bufbuild/buf v1.75.0 // indirect
	github.com/planetscale/vtprotobuf v0.6.0 // indirect
	google.golang.org/protobuf v1.36.13-0.20261016172727-e9ee2a76ab8e // indirect
)
