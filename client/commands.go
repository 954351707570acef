package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Decide sends what a person decided, with his reason in the body, and returns the event it became. It is in Kafka, and
// in the audit log, when this returns.
func (c *Client) Decide(ctx context.Context, path string, in any) (eventID string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	var out struct {
		EventID string `json:"event_id"`
	}
	err = c.do(ctx, http.MethodPost, path, "application/json", body, http.StatusAccepted, &out)
	return out.EventID, err
}

// ResumeCampaign lets a campaign run again that was throttled or stopped.
func (c *Client) ResumeCampaign(ctx context.Context, campaign, reason string) (eventID string, err error) {
	return c.Decide(ctx, "/v1/campaigns/"+url.PathEscape(campaign)+"/resume", map[string]string{"reason": reason})
}
