// Package kafka publishes events to a Kafka topic: the fence around franz-go. A Publisher's
// Deliver goes into an events.Consumer, whose cursor moves once the brokers have acknowledged.
//
// Order. The key of a record is "tenant/StudyInstanceUID", so a study's events lie in one
// partition, in the order of the feed. The producer is idempotent (acks=all): what it repeats by
// itself is written once. What is delivered again after a crash is there twice with the same id
// header; by first appearance the order still is that of the feed.
//
// Left out: consuming, schemas in a registry, SASL.
package kafka

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/events"
)

// Config configures a Publisher. Brokers must be set, all else has defaults.
type Config struct {
	Brokers  []string // host:port
	Topic    string   // default "aurelius.events"; made when it is not there
	ClientID string   // default "aurelius"
	// Partitions and Replicas of a topic that is made; default: the brokers' own.
	Partitions int32
	Replicas   int16
	TLS        *tls.Config   // default: no TLS
	Dial       time.Duration // to connect; default 5 s
	Request    time.Duration // for one answer; default 10 s
	Delivery   time.Duration // for one batch, retries included; default 30 s
}

// The headers of a record.
const (
	HeaderID      = "id"      // of the event: a consumer drops those it knows
	HeaderType    = "type"    // events.Type
	HeaderVersion = "version" // of the schema of the value
)

// Publisher writes events to one topic. Safe for concurrent use, though order is kept among the
// events of one Deliver at a time only. Memory is bounded by what Deliver is given.
type Publisher struct {
	cfg    Config
	client *kgo.Client

	mu   sync.Mutex
	made bool // the topic is known to exist
}

// New returns a publisher. The brokers need not be up: they are looked for when there is
// something to deliver.
func New(cfg Config) (*Publisher, error) {
	const op = "kafka.New"
	if len(cfg.Brokers) == 0 {
		return nil, errs.Errorf(errs.Invalid, op, "no brokers are named")
	}
	if cfg.Topic == "" {
		cfg.Topic = "aurelius.events"
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "aurelius"
	}
	if cfg.Partitions <= 0 {
		cfg.Partitions = -1
	}
	if cfg.Replicas <= 0 {
		cfg.Replicas = -1
	}
	if cfg.Dial <= 0 {
		cfg.Dial = 5 * time.Second
	}
	if cfg.Request <= 0 {
		cfg.Request = 10 * time.Second
	}
	if cfg.Delivery <= 0 {
		cfg.Delivery = 30 * time.Second
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID(cfg.ClientID),
		kgo.DefaultProduceTopic(cfg.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.DialTimeout(cfg.Dial),
		kgo.RequestTimeoutOverhead(cfg.Request),
		kgo.ProduceRequestTimeout(cfg.Request),
		kgo.RetryTimeout(cfg.Delivery),
		kgo.RecordDeliveryTimeout(cfg.Delivery),
		kgo.ProducerLinger(0), // a Deliver is a batch already
		// A delivery must end with its lease. What the brokers may have written nevertheless
		// comes again with the same id.
		kgo.AllowIdempotentProduceCancellation(),
		kgo.DisableClientMetrics(),
	}
	if cfg.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(cfg.TLS))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, errs.E(errs.Invalid, op, err)
	}
	return &Publisher{cfg: cfg, client: client}, nil
}

// Close drops the connections.
func (p *Publisher) Close() { p.client.Close() }

// Deliver writes the events and returns nil when every one of them was acknowledged by all
// replicas in sync. It is made for events.Consumer.
func (p *Publisher) Deliver(ctx context.Context, batch []events.Event) error {
	const op = "kafka.Deliver"
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Delivery)
	defer cancel()
	if err := p.ensureTopic(ctx); err != nil {
		return err
	}
	records := make([]*kgo.Record, len(batch))
	for i, e := range batch {
		value, err := json.Marshal(e)
		if err != nil {
			return errs.E(errs.Internal, op, err)
		}
		// No Timestamp: the client counts its time-out from it, and events may be old.
		records[i] = &kgo.Record{
			Key: []byte(string(e.Tenant) + "/" + e.StudyInstanceUID), Value: value,
			Headers: []kgo.RecordHeader{
				{Key: HeaderID, Value: []byte(e.ID())},
				{Key: HeaderType, Value: []byte(e.Type)},
				{Key: HeaderVersion, Value: []byte{'0' + events.SchemaVersion}},
			},
		}
	}
	err := p.client.ProduceSync(ctx, records...).FirstErr()
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		p.setMade(false) // somebody has deleted it
	}
	return unavailable(op, err)
}

func unavailable(op string, err error) error {
	if err == nil {
		return nil
	}
	// Of several causes the brokers' own says most; the client's text may name addresses.
	var broker *kerr.Error
	if errors.As(err, &broker) {
		return errs.Errorf(errs.Unavailable, op, "kafka refused: %s", broker.Message)
	}
	return errs.E(errs.Unavailable, op, err)
}

// ensureTopic makes the topic where it is missing.
func (p *Publisher) ensureTopic(ctx context.Context) error {
	const op = "kafka.ensureTopic"
	p.mu.Lock()
	made := p.made
	p.mu.Unlock()
	if made {
		return nil
	}
	ask := kmsg.NewPtrMetadataRequest()
	ask.AllowAutoTopicCreation = false
	ask.Topics = []kmsg.MetadataRequestTopic{{Topic: &p.cfg.Topic}}
	have, err := ask.RequestWith(ctx, p.client)
	if err != nil {
		return unavailable(op, err)
	}
	if slices.ContainsFunc(have.Topics, func(t kmsg.MetadataResponseTopic) bool { return t.ErrorCode == 0 }) {
		p.setMade(true)
		return nil
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = int32(p.cfg.Request.Milliseconds())
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = p.cfg.Topic, p.cfg.Partitions, p.cfg.Replicas
	create.Topics = append(create.Topics, topic)
	answer, err := create.RequestWith(ctx, p.client)
	if err != nil {
		return unavailable(op, err)
	}
	for _, t := range answer.Topics {
		// Another node may have been faster.
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return unavailable(op, err)
		}
	}
	p.setMade(true)
	return nil
}

func (p *Publisher) setMade(made bool) {
	p.mu.Lock()
	p.made = made
	p.mu.Unlock()
}
