// Command gateway-go serves Skillbox's REST API before the three services, for those who cannot
// run Envoy. It speaks plain HTTP: TLS, rate limits and native gRPC are left to what stands
// before and beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A reply in flight gets this long when the gateway stops.
const grace = 10 * time.Second

type settings struct {
	listen, auth, registry, executor string
}

func main() {
	config, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// parse reads the flags; each falls back to a variable, like those of the services.
func parse(arguments []string) (settings, error) {
	var config settings
	flags := flag.NewFlagSet("gateway-go", flag.ExitOnError)
	address := func(target *string, name, variable, value, use string) {
		if set := os.Getenv(variable); set != "" {
			value = set
		}
		flags.StringVar(target, name, value, fmt.Sprintf("%s, as host:port; %s", use, variable))
	}
	address(&config.listen, "listen", "SKILLBOX_LISTEN", ":8080", "where to listen")
	address(&config.auth, "auth", "SKILLBOX_AUTH_ADDRESS", "127.0.0.1:50051", "Auth")
	address(&config.registry, "registry", "SKILLBOX_REGISTRY_ADDRESS", "127.0.0.1:50052", "the Registry")
	address(&config.executor, "executor", "SKILLBOX_EXECUTOR_ADDRESS", "127.0.0.1:50053", "the Executor")
	_ = flags.Parse(arguments)
	if flags.NArg() > 0 {
		return config, fmt.Errorf("%q: expected nothing but flags", flags.Arg(0))
	}
	var wrong []error
	flags.VisitAll(func(option *flag.Flag) {
		if _, _, err := net.SplitHostPort(option.Value.String()); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %q is not valid: expected host:port", option.Name, option.Value))
		}
	})
	return config, errors.Join(wrong...)
}

// run serves until ctx ends.
func run(ctx context.Context, config settings) error {
	services, err := connect(config)
	if err != nil {
		return err
	}
	defer services.close()
	handler, err := newHandler(services)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", config.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Hour,
		MaxHeaderBytes:    60 << 10,
	}
	slog.Info("listening", "address", listener.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return server.Close()
	}
	return nil
}
