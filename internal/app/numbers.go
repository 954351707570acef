package app

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/ringfence/ringfence/console"
)

// numberOf opens the number a call went to. It is kept, sealed, with the leads of the call's customer; of a call that no
// lead was for there is only the hash (console.ErrNoNumber).
func (a *App) numberOf(ctx context.Context, callID string) (string, error) {
	var lead, customer, hash string
	err := a.conn.QueryRow(ctx, "SELECT lead_id, customer_id, number_hash FROM calls FINAL WHERE call_id = ? LIMIT 1", callID).Scan(&lead, &customer, &hash)
	if errors.Is(err, sql.ErrNoRows) || err == nil && hash == "" {
		return "", console.ErrNoNumber
	}
	if err != nil {
		return "", fmt.Errorf("read the call: %w", err)
	}
	rows, err := a.conn.Query(ctx, "SELECT numbers_sealed FROM leads FINAL WHERE (lead_id = ? OR customer_id = ? AND customer_id != '') AND has(number_hashes, ?) ORDER BY lead_id = ? DESC, at DESC LIMIT 20", lead, customer, hash, lead)
	if err != nil {
		return "", fmt.Errorf("read the call's lead: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var sealed []string
		if err := rows.Scan(&sealed); err != nil {
			return "", fmt.Errorf("read the call's lead: %w", err)
		}
		for _, text := range sealed {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				continue
			}
			if plain, err := a.key.Open(b); err == nil && a.key.Hash(string(plain)) == hash {
				return string(plain), nil
			}
		}
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("read the call's lead: %w", err)
	}
	return "", console.ErrNoNumber
}
