package contactcap

import (
	"bytes"
	"errors"
)

// TwiceCodec writes every state a second time as a whole: what was copied of it has to be what would be written.
type TwiceCodec struct{ Codec }

func (c TwiceCodec) Append(dst []byte, s *State) ([]byte, error) {
	b, err := c.Codec.Append(dst, s)
	if err != nil {
		return b, err
	}
	s.anew()
	whole, err := c.Codec.Append(nil, s)
	if err == nil && !bytes.Equal(b[len(dst):], whole) {
		err = errors.New("a state whose beginning is copied differs from the one that is written as a whole")
	}
	return b, err
}
