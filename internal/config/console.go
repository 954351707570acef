package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
)

// Console is who may use the web console, and how.
type Console struct {
	UsersFile      string   `yaml:"users_file"`       // local users, made by `ringfence user add`
	PublicURL      string   `yaml:"public_url"`       // under which browsers reach it, such as https://qa.example; needed beyond loopback
	SessionIdle    Duration `yaml:"session_idle"`     // a session ends when it was not used for so long
	SessionMost    Duration `yaml:"session_most"`     // and this long after its sign-in whatever happens
	SessionKeyFile string   `yaml:"session_key_file"` // secret that seals sessions; one file for a whole cluster
	OIDC           OIDC     `yaml:"oidc"`
}

// OIDC is an OpenID Connect provider that signs users in. The claims say who a user is; roles_map turns the provider's
// words (groups, roles) into ringfence's roles.
type OIDC struct {
	Issuer           string              `yaml:"issuer"`
	ClientID         string              `yaml:"client_id"`
	ClientSecret     string              `yaml:"client_secret"`
	ClientSecretFile string              `yaml:"client_secret_file"`
	Scopes           []string            `yaml:"scopes"`
	NameClaim        string              `yaml:"name_claim"`
	RolesClaim       string              `yaml:"roles_claim"`
	PartnerClaim     string              `yaml:"partner_claim"`
	TeamClaim        string              `yaml:"team_claim"`
	AgentClaim       string              `yaml:"agent_claim"`
	RolesMap         map[string][]string `yaml:"roles_map"`
}

// Recordings is where recordings are read from: a directory or a bucket. A call's recording.uri names one relative to it.
type Recordings struct {
	Dir      string `yaml:"dir"`
	CacheDir string `yaml:"cache_dir"` // of waveforms; default: waveforms in data_dir
	S3       S3     `yaml:"s3"`
}

// S3 is a bucket of an S3-compatible store. The secret comes from RINGFENCE_S3_SECRET_KEY or a file.
type S3 struct {
	Endpoint      string `yaml:"endpoint"` // host:port
	Bucket        string `yaml:"bucket"`
	Prefix        string `yaml:"prefix"`
	Region        string `yaml:"region"`
	AccessKey     string `yaml:"access_key"`
	SecretKey     string `yaml:"secret_key"`
	SecretKeyFile string `yaml:"secret_key_file"`
	Insecure      bool   `yaml:"insecure"` // http, for a store on this machine
}

func defaultConsole() Console {
	return Console{SessionIdle: Duration(30 * time.Minute), SessionMost: Duration(12 * time.Hour), OIDC: OIDC{Scopes: []string{"openid", "profile", "email"},
		NameClaim: "preferred_username", RolesClaim: "roles", PartnerClaim: "partner_id", TeamClaim: "team_id", AgentClaim: "agent_id", RolesMap: map[string][]string{}}}
}

// userRoles are the roles a user of the console can have: those of tokens, and agent.
var userRoles = append(slices.Clone(tokenRoles), "agent")

// SignsIn tells whether anybody can sign in to the console.
func (c *Console) SignsIn() bool { return c.UsersFile != "" || c.OIDC.Issuer != "" }

// checkConsole says what is wrong with the console's part and the recordings'.
func (c *Config) checkConsole() []error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	k := &c.Console
	public, err := url.Parse(k.PublicURL)
	if k.PublicURL != "" && (err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http" || public.Path != "" && public.Path != "/") {
		bad("console.public_url: %q is not an address such as https://qa.example", k.PublicURL)
	}
	if host, _, err := net.SplitHostPort(c.HTTP.Listen); err == nil && k.SignsIn() && k.PublicURL == "" {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			bad("console.public_url: users sign in and http.listen %s can be reached from elsewhere, so the https address of the proxy in front is needed: passwords must not travel in the clear", c.HTTP.Listen)
		}
	}
	if k.SessionIdle.D() < time.Minute || k.SessionMost.D() < k.SessionIdle.D() {
		bad("console.session_idle and session_most: at least 1m, and session_most not shorter than session_idle (they are %s and %s)", k.SessionIdle.D(), k.SessionMost.D())
	}
	o := &k.OIDC
	if o.Issuer != "" {
		if u, err := url.Parse(o.Issuer); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			bad("console.oidc.issuer: %q is not an address such as https://login.example", o.Issuer)
		}
		if o.ClientID == "" {
			bad("console.oidc.client_id: the provider's id for this console is needed")
		}
		if !slices.Contains(o.Scopes, "openid") {
			bad("console.oidc.scopes: openid must be among them")
		}
		for word, roles := range o.RolesMap {
			for _, r := range roles {
				if !slices.Contains(userRoles, r) {
					bad("console.oidc.roles_map.%s: %q is not one%s", word, r, hint(r, userRoles))
				}
			}
		}
	}
	r := &c.Recordings
	if r.Dir != "" && r.S3.Endpoint != "" {
		bad("recordings: dir and s3.endpoint exclude each other")
	}
	if r.S3.Endpoint != "" && (r.S3.Bucket == "" || r.S3.AccessKey == "" || r.S3.SecretKey == "") {
		bad("recordings.s3: bucket, access_key and secret_key (RINGFENCE_S3_SECRET_KEY or secret_key_file) are needed")
	}
	return errs
}
