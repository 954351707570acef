package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The broker's own files, as far as mending reads and writes them: partitions/<topic>-<n>/<base offset>.dat holds record
// batches as they are on the wire, .idx beside it 15 bytes for each batch; groups.log and pids.log hold framed JSON.
// TestMend fails when another version of the broker writes them otherwise.
const (
	logVersion    = 1
	idxEntry      = 15
	batchHead     = 61 // of a record batch
	maxLastBatch  = 20 * time.Minute
	attrTxn       = 0x10
	attrControl   = 0x20
	frameHead     = 10
	attributesAt  = 21
	producerAt    = 43
	epochAt       = 51
	lastDeltaAt   = 23
	leaderEpochAt = 12
)

// mend makes the log whole after a process that was killed. A commit that had begun is finished: its markers and its
// offsets. Every other open transaction is aborted by a marker and its producer fenced. A batch whose index entry is
// missing was not acknowledged and goes. It returns what it did, for the log.
func mend(dir string, in *intent) (did []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("mend the embedded Kafka's log in %s after a crash: %w", dir, err)
		}
	}()
	if in != nil {
		done, err := ended(dir, in)
		if err != nil {
			return nil, err
		}
		if done {
			in = nil
		}
	}
	fenced := map[int64]int16{}
	err = eachPartition(dir, func(pdir string) error {
		what, open, err := mendPartition(pdir, in)
		if what != "" {
			did = append(did, what)
		}
		for id, epoch := range open {
			fenced[id] = max(fenced[id], epoch+1)
		}
		return err
	})
	if err != nil {
		return did, err
	}
	if err := trimLog(filepath.Join(dir, "groups.log")); err != nil {
		return did, err
	}
	if err := trimLog(filepath.Join(dir, "pids.log")); err != nil {
		return did, err
	}
	if in != nil {
		if err := finish(dir, in); err != nil {
			return did, err
		}
		did = append(did, fmt.Sprintf("finished the commit of producer %d, %d offsets", in.Producer, len(in.Offsets)))
	}
	var lines []any
	for id, epoch := range fenced {
		lines = append(lines, map[string]any{"type": "timeout", "pid": id, "epoch": epoch})
	}
	return did, appendLog(filepath.Join(dir, "pids.log"), lines)
}

func eachPartition(dir string, do func(pdir string) error) error {
	root := filepath.Join(dir, "partitions")
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if d.IsDir() {
			if err := do(filepath.Join(root, d.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// mendPartition returns what it did, and the producers whose open transactions it aborted, with their epochs.
func mendPartition(pdir string, in *intent) (did string, aborted map[int64]int16, err error) {
	segs, err := segments(pdir)
	if err != nil || len(segs) == 0 {
		return "", nil, err
	}
	open := map[int64]int16{} // producers with their epochs
	next, leader := segs[len(segs)-1].base, int32(0)
	for i, s := range segs {
		err := s.batches(i == len(segs)-1, func(h []byte) {
			next = int64(binary.BigEndian.Uint64(h)) + int64(binary.BigEndian.Uint32(h[lastDeltaAt:])) + 1
			leader = int32(binary.BigEndian.Uint32(h[leaderEpochAt:]))
			attrs, id := binary.BigEndian.Uint16(h[attributesAt:]), int64(binary.BigEndian.Uint64(h[producerAt:]))
			switch {
			case attrs&attrControl != 0:
				delete(open, id)
			case attrs&attrTxn != 0:
				open[id] = int16(binary.BigEndian.Uint16(h[epochAt:]))
			}
		})
		if err != nil {
			return "", nil, err
		}
	}
	if len(open) == 0 {
		return "", nil, nil
	}
	aborted = map[int64]int16{}
	var dat, idx []byte
	for id, epoch := range open {
		commit := in != nil && in.Producer == id && in.Epoch == epoch
		if !commit {
			aborted[id] = epoch
		}
		dat = append(dat, marker(next, leader, id, epoch, commit)...)
		idx = append(idx, indexEntry(leader)...)
		next++
	}
	last := segs[len(segs)-1]
	// The index first: without its batch an entry is dropped, without its entry a batch would count as not transactional.
	if err := appendFile(last.path(".idx"), idx); err != nil {
		return "", nil, err
	}
	if err := appendFile(last.path(".dat"), dat); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s: %d transactions ended, %d of them aborted", filepath.Base(pdir), len(open), len(aborted)), aborted, nil
}

type segment struct {
	dir  string
	base int64
}

func (s segment) path(ext string) string {
	return filepath.Join(s.dir, strconv.FormatInt(s.base, 10)+ext)
}

// segments of a partition that may hold an open transaction, oldest first: the last one, and those written within the
// longest life of a transaction before it.
func segments(pdir string) ([]segment, error) {
	files, err := os.ReadDir(pdir)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, f := range files {
		if base, ok := strings.CutSuffix(f.Name(), ".dat"); ok {
			if n, err := strconv.ParseInt(base, 10, 64); err == nil {
				all = append(all, segment{pdir, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b segment) int { return int(min(max(a.base-b.base, -1), 1)) })
	var newest time.Time
	for i := len(all) - 1; i >= 0; i-- {
		info, err := os.Stat(all[i].path(".dat"))
		if err != nil {
			return nil, err
		}
		if i == len(all)-1 {
			newest = info.ModTime()
		} else if newest.Sub(info.ModTime()) > maxLastBatch {
			return all[i+1:], nil
		}
	}
	return all, nil
}

// batches calls do with the head of every whole batch. In the last segment a tail that is torn, or has no index entry,
// was never acknowledged: it is cut off.
func (s segment) batches(last bool, do func(head []byte)) error {
	f, err := os.OpenFile(s.path(".dat"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, batchHead)
	var pos, end, n int64
	var prev []byte
	for pos+batchHead <= info.Size() {
		if _, err := f.ReadAt(head, pos); err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head[8:])) + 12
		if size < batchHead || pos+size > info.Size() {
			break
		}
		if prev != nil {
			do(prev)
		}
		prev = append(prev[:0], head...)
		end, pos, n = pos, pos+size, n+1
	}
	if !last {
		if prev != nil {
			do(prev)
		}
		return nil
	}
	idx, err := os.Stat(s.path(".idx"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries := int64(0)
	if err == nil {
		entries = idx.Size() / idxEntry
	}
	if n > 0 && entries == n-1 {
		pos, n = end, n-1
	} else if prev != nil {
		do(prev)
	}
	if pos < info.Size() {
		if err := f.Truncate(pos); err != nil {
			return err
		}
	}
	if entries > n || idx != nil && idx.Size()%idxEntry != 0 {
		return os.Truncate(s.path(".idx"), min(entries, n)*idxEntry)
	}
	return nil
}

// marker is the control batch that ends a transaction in a partition.
func marker(at int64, leader int32, producer int64, epoch int16, commit bool) []byte {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	rec := kmsg.Record{Key: key.AppendTo(nil), Value: (&kmsg.EndTxnMarker{}).AppendTo(nil)}
	rec.Length = int32(len(rec.AppendTo(nil)) - 1)
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{FirstOffset: at, PartitionLeaderEpoch: leader, Magic: 2, Attributes: attrControl | attrTxn, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: producer, ProducerEpoch: epoch, FirstSequence: -1, NumRecords: 1, Records: rec.AppendTo(nil)}
	raw := b.AppendTo(nil)
	b.Length = int32(len(raw) - 12)
	b.CRC = int32(crc32.Checksum(raw[21:], castagnoli))
	return b.AppendTo(nil)
}

// indexEntry is that of a control batch.
func indexEntry(leader int32) []byte {
	b := make([]byte, idxEntry)
	b[0] = logVersion
	binary.LittleEndian.PutUint32(b[2:], uint32(leader))
	b[1] = byte(crc32.Checksum(b[2:], castagnoli))
	return b
}

// ended tells whether the broker had carried out all of the intent: its last step is a line in pids.log. A commit that
// the broker refused, because it did not know the producer or had fenced it, is one of which nothing is to be carried out.
func ended(dir string, in *intent) (bool, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "pids.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	known := false
	for _, body := range frames(raw) {
		var e struct {
			Type  string
			PID   int64
			Epoch int16
		}
		if err := json.Unmarshal(body, &e); err != nil || e.PID != in.Producer {
			continue
		}
		known = true
		if e.Type == "endtx" && e.Epoch == in.Epoch || e.Epoch > in.Epoch {
			return true, nil
		}
	}
	return !known, nil
}

// finish writes the offsets of a commit and that it is done.
func finish(dir string, in *intent) error {
	names, err := topicNames(dir)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	var lines []any
	for _, o := range in.Offsets {
		if o.Topic == "" {
			if o.Topic = names[o.TopicID]; o.Topic == "" {
				return fmt.Errorf("a commit names a topic by the ID %x, which topics.json does not have", o.TopicID)
			}
		}
		line := map[string]any{"type": "commit", "g": o.Group, "t": o.Topic, "p": o.Partition, "o": o.Offset, "e": o.Epoch, "lc": now}
		if o.Metadata != nil {
			line["m"] = *o.Metadata
		}
		lines = append(lines, line)
	}
	if err := appendLog(filepath.Join(dir, "groups.log"), lines); err != nil {
		return err
	}
	return appendLog(filepath.Join(dir, "pids.log"), []any{map[string]any{"type": "endtx", "pid": in.Producer, "epoch": in.Epoch, "commit": true}})
}

func topicNames(dir string) (map[[16]byte]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "topics.json"))
	if err != nil {
		return nil, err
	}
	var t struct {
		Topics []struct {
			Name string
			ID   []byte
		}
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("read topics.json: %w", err)
	}
	names := map[[16]byte]string{}
	for _, x := range t.Topics {
		if len(x.ID) != 16 {
			return nil, fmt.Errorf("read topics.json: topic %s has an ID of %d bytes", x.Name, len(x.ID))
		}
		names[[16]byte(x.ID)] = x.Name
	}
	return names, nil
}

// frames are the bodies of a log's whole entries.
func frames(raw []byte) (bodies [][]byte) {
	for len(raw) >= frameHead {
		n := int(binary.LittleEndian.Uint32(raw))
		if n < 2 || n > len(raw)-8 || crc32.Checksum(raw[8:8+n], castagnoli) != binary.LittleEndian.Uint32(raw[4:]) {
			break
		}
		bodies = append(bodies, raw[frameHead:8+n])
		raw = raw[8+n:]
	}
	return bodies
}

// trimLog cuts a torn end off: the broker reads a log up to the first broken entry, and would never read what it writes
// behind one.
func trimLog(file string) error {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := 0
	for _, b := range frames(raw) {
		whole += frameHead + len(b)
	}
	if whole == len(raw) {
		return nil
	}
	return os.Truncate(file, int64(whole))
}

func appendLog(file string, lines []any) error {
	var out []byte
	for _, l := range lines {
		body, err := json.Marshal(l)
		if err != nil {
			return err
		}
		framed := append(binary.LittleEndian.AppendUint16(nil, logVersion), body...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(framed)))
		out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(framed, castagnoli))
		out = append(out, framed...)
	}
	return appendFile(file, out)
}

func appendFile(file string, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
