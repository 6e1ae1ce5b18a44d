package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A reply holds an output of 4 MiB and logs, escaped.
const maxReply = 32 << 20

// services are connections; each is made, and made anew, when it is needed.
type services struct {
	auth, registry, executor *grpc.ClientConn
}

func connect(config settings) (*services, error) {
	var errs []error
	dial := func(address string) *grpc.ClientConn {
		conn, err := grpc.NewClient("dns:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithNoProxy(),
			// A name may stand for several replicas.
			grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff: backoff.Config{
					BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
				},
				MinConnectTimeout: 2 * time.Second,
			}),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{
				Time: 30 * time.Second, Timeout: 10 * time.Second,
			}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)),
			grpc.WithUnaryInterceptor(callUnary),
			grpc.WithStreamInterceptor(callStream),
		)
		errs = append(errs, err)
		return conn
	}
	found := &services{dial(config.auth), dial(config.registry), dial(config.executor)}
	return found, errors.Join(errs...)
}

func (s *services) close() {
	for _, conn := range []*grpc.ClientConn{s.auth, s.registry, s.executor} {
		_ = conn.Close()
	}
}

// failure is a refusal of a service. Its trailers say how REST puts it.
type failure struct {
	error
	trailer metadata.MD
}

func (f *failure) Unwrap() error { return f.error }

func callUnary(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if err := checkQuery(ctx, request); err != nil {
		return err
	}
	var trailer metadata.MD
	err := invoke(ctx, method, request, reply, conn, append(opts, grpc.Trailer(&trailer))...)
	if err != nil {
		return &failure{err, trailer}
	}
	return nil
}

func callStream(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	opened, err := open(ctx, desc, conn, method, opts...)
	if err != nil {
		return nil, err
	}
	if desc.ClientStreams {
		go func() {
			// An answer before the end of an upload is a refusal. The rest is not waited for.
			if _, _ = opened.Header(); ctx.Err() == nil {
				inboundOf(ctx).body.stop()
			}
		}()
	}
	return stream{opened}, nil
}

type stream struct{ grpc.ClientStream }

// Header waits for the headers. A refusal comes without any, and is told here: once the handler
// has begun a reply, it is too late for a status.
func (s stream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	if header == nil && err == nil {
		err = s.RecvMsg(new(httpbody.HttpBody))
	}
	return header, err
}

func (s stream) SendMsg(message any) error {
	if err := checkQuery(s.Context(), message); err != nil {
		return err
	}
	return s.ClientStream.SendMsg(message)
}

func (s stream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &failure{err, s.Trailer()}
}

// inbound is what there is to know of a request beside its message.
type inbound struct {
	query url.Values
	body  *body
}

type inboundKey struct{}

func withInbound(ctx context.Context, request inbound) context.Context {
	return context.WithValue(ctx, inboundKey{}, request)
}

func inboundOf(ctx context.Context) inbound {
	request, _ := ctx.Value(inboundKey{}).(inbound)
	return request
}

// checkQuery refuses parameters that the request message has no field for.
func checkQuery(ctx context.Context, message any) error {
	fields := message.(proto.Message).ProtoReflect().Descriptor().Fields()
	_, raw := message.(*httpbody.HttpBody)
	for name := range inboundOf(ctx).query {
		field, _, _ := strings.Cut(name, ".")
		if raw || fields.ByTextName(field) == nil && fields.ByJSONName(field) == nil {
			return status.Error(codes.InvalidArgument, fmt.Sprintf("unknown query parameter %q", name))
		}
	}
	return nil
}
