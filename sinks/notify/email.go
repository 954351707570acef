package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"

	"github.com/ringfence/ringfence/internal/config"
)

// email goes through an SMTP server: smtps:// speaks TLS from the start, smtp:// as soon as the server offers it.
type email struct {
	r     config.Receiver
	host  string
	port  int
	tls   bool
	texts *Texts
}

func newEmail(r config.Receiver, t *Texts) (*email, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("receiver %s: its address does not parse", r.Name)
	}
	e := &email{r: r, host: u.Hostname(), port: 25, tls: u.Scheme == "smtps", texts: t}
	if e.tls {
		e.port = 465
	}
	if p := u.Port(); p != "" {
		if e.port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("receiver %s: port %q is no number", r.Name, p)
		}
	}
	return e, nil
}

func (e *email) send(ctx context.Context, m *Message) error {
	title, text, err := e.texts.Render(m)
	if err != nil {
		return err
	}
	msg := mail.NewMsg()
	if err := msg.From(e.r.From); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if err := msg.To(e.r.To...); err != nil {
		return fmt.Errorf("to: %w", err)
	}
	msg.Subject(title)
	msg.SetBodyString(mail.TypeTextPlain, text+"\n")
	// The same change of state has the same Message-ID, and its incident is a thread.
	name := func(s string) string {
		return strings.NewReplacer("|", ".", "/", ".", " ", "_").Replace(s) + "@ringfence"
	}
	msg.SetMessageIDWithValue(name(m.ID))
	if m.Seq > 1 {
		msg.SetGenHeader(mail.HeaderReferences, "<"+name(m.Incident+"/1")+">")
	}
	opts := []mail.Option{mail.WithPort(e.port), mail.WithTimeout(10 * time.Second), mail.WithTLSPolicy(mail.TLSOpportunistic),
		mail.WithTLSConfig(&tls.Config{ServerName: e.host, MinVersion: tls.VersionTLS12})}
	if e.tls {
		opts = append(opts, mail.WithSSL())
	}
	if e.r.Username != "" {
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.r.Username), mail.WithPassword(e.r.Secret))
	}
	c, err := mail.NewClient(e.host, opts...)
	if err != nil {
		return err
	}
	return c.DialAndSendWithContext(ctx, msg)
}
