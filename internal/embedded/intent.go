package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// intent is what a commit will do, written down before the broker begins to do it. The broker ends a transaction with
// a marker in each partition and then a line for each offset; a process killed between them would leave some of a
// transaction committed and some not. The start after it finishes what the intent says (see mend).
type intent struct {
	Producer int64    `json:"pid"`
	Epoch    int16    `json:"epoch"`
	Offsets  []offset `json:"offsets"`
}

// offset is one input position that a transaction commits.
type offset struct {
	Group     string   `json:"g"`
	Topic     string   `json:"t,omitempty"`
	TopicID   [16]byte `json:"id,omitzero"` // of a request that named its topics by ID
	Partition int32    `json:"p"`
	Offset    int64    `json:"o"`
	Epoch     int32    `json:"e"`
	Metadata  *string  `json:"m,omitempty"`
}

// endTxnBumps is the version of EndTxn from which every transaction has an epoch of its own (KIP-890), so that producer
// and epoch name it.
const endTxnBumps = 5

// intents keeps the newest intent in one small file: requests are handled one at a time, so a crash leaves at most one
// commit unfinished.
type intents struct {
	f       *os.File
	sync    bool
	buf     []byte
	pending map[int64]*intent // by producer, of transactions that are open
}

func watchCommits(c *kfake.Cluster, file string, sync bool) (*intents, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, explain("open", file, err)
	}
	if _, err := f.WriteAt(make([]byte, 8), 0); err != nil { // not empty: this process has not stopped cleanly yet
		return nil, errors.Join(explain("write", file, err), f.Close())
	}
	in := &intents{f: f, sync: sync, pending: map[int64]*intent{}}
	// The broker calls both from its one request loop, before it handles the request itself.
	c.ControlKey(kmsg.TxnOffsetCommit.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		in.offsets(r.(*kmsg.TxnOffsetCommitRequest))
		return nil, nil, false
	})
	c.ControlKey(kmsg.EndTxn.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := r.(*kmsg.EndTxnRequest)
		if err := in.end(req); err != nil { // the disk is full, say: the client tries again
			c.KeepControl()
			resp := req.ResponseKind().(*kmsg.EndTxnResponse)
			resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
			return resp, nil, true
		}
		return nil, nil, false
	})
	return in, nil
}

func (in *intents) offsets(r *kmsg.TxnOffsetCommitRequest) {
	x := in.pending[r.ProducerID]
	if x == nil || x.Epoch != r.ProducerEpoch {
		x = &intent{Producer: r.ProducerID, Epoch: r.ProducerEpoch}
		in.pending[r.ProducerID] = x
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			x.Offsets = append(x.Offsets, offset{r.Group, t.Topic, t.TopicID, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata})
		}
	}
}

func (in *intents) end(r *kmsg.EndTxnRequest) error {
	if !r.Commit || r.Version < endTxnBumps {
		delete(in.pending, r.ProducerID)
		return nil
	}
	x := in.pending[r.ProducerID]
	if x == nil || x.Epoch != r.ProducerEpoch {
		x = &intent{Producer: r.ProducerID, Epoch: r.ProducerEpoch}
	}
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	in.buf = binary.LittleEndian.AppendUint32(in.buf[:0], uint32(len(body)))
	in.buf = binary.LittleEndian.AppendUint32(in.buf, crc32.Checksum(body, castagnoli))
	in.buf = append(in.buf, body...)
	if _, err := in.f.WriteAt(in.buf, 0); err != nil {
		return fmt.Errorf("write down a commit: %w", err)
	}
	if in.sync {
		if err := in.f.Sync(); err != nil {
			return fmt.Errorf("write down a commit: %w", err)
		}
	}
	delete(in.pending, r.ProducerID)
	return nil
}

// done forgets the intent: after a clean stop nothing is unfinished.
func (in *intents) done() error { return errors.Join(in.f.Truncate(0), in.f.Close()) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readIntent returns the newest intent, nil if there is none, and whether the last process stopped cleanly. An intent
// that is torn was never begun to be carried out.
func readIntent(file string) (in *intent, clean bool, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, explain("read", file, err)
	}
	if len(b) < 8 {
		return nil, len(b) == 0, nil
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n == 0 || n > len(b)-8 || crc32.Checksum(b[8:8+n], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, false, nil
	}
	var x intent
	if err := json.Unmarshal(b[8:8+n], &x); err != nil {
		return nil, false, fmt.Errorf("read %s: %w", file, err)
	}
	return &x, false, nil
}
