package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Stores finds out whether NATS stores anything on disk. It makes a stream named after name and deletes it
// again, within that time. nil: NATS stores.
func Stores(ctx context.Context, js jetstream.JetStream, name string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	name, subject := "SFU_PROBE_"+name, "sfu.v1.probe."+name
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{subject}, Storage: jetstream.FileStorage, MaxMsgs: 1, Description: "Parlor: whether NATS stores anything",
	})
	if err == nil {
		_, err = js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: make([]byte, 64<<10)}, jetstream.WithRetryAttempts(0))
	}
	if end := js.DeleteStream(context.WithoutCancel(ctx), name); err == nil {
		err = end
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", name, err)
	}
	return nil
}
