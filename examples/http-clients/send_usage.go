// Sends usage events over HTTP and loses none: go run send_usage.go, with METERHOUSE_API and METERHOUSE_KEY set.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

type Event struct {
	ID       string            `json:"id"`
	TS       int64             `json:"ts"`
	TenantID string            `json:"tenantId,omitempty"`
	Metric   string            `json:"metric"`
	Value    string            `json:"value"`
	Attrs    map[string]string `json:"attrs,omitempty"`
}

type Outcome struct {
	Index   int    `json:"index"`
	Outcome string `json:"outcome"`
	Field   string `json:"field"`
	Detail  string `json:"detail"`
}

type Answer struct {
	Detail string    `json:"detail"`
	Events []Outcome `json:"events"`
}

// Send sends up to 1,000 events until each is acknowledged or refused; it returns the refused.
func Send(events []Event, attempts int) ([]Outcome, error) {
	for i := range events {
		if events[i].ID == "" {
			id := make([]byte, 16)
			if _, err := rand.Read(id); err != nil {
				return nil, err
			}
			events[i].ID = hex.EncodeToString(id)
		}
		if events[i].TS == 0 {
			events[i].TS = time.Now().UnixMilli()
		}
	}
	client := http.Client{Timeout: 30 * time.Second}
	var refused []Outcome
	for attempt := 0; attempt < attempts; attempt++ {
		wait := time.Second << attempt
		if wait > 30*time.Second {
			wait = 30 * time.Second
		}
		body, err := json.Marshal(events)
		if err != nil {
			return refused, err
		}
		request, err := http.NewRequest("POST", os.Getenv("METERHOUSE_API")+"/v1/events", bytes.NewReader(body))
		if err != nil {
			return refused, err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("METERHOUSE_KEY"))
		request.Header.Set("Content-Type", "application/json")
		// Without an answer nobody knows: the same events go out again.
		if response, err := client.Do(request); err == nil {
			var answer Answer
			err = json.NewDecoder(response.Body).Decode(&answer)
			response.Body.Close()
			if seconds, bad := strconv.Atoi(response.Header.Get("Retry-After")); bad == nil {
				wait = time.Duration(seconds) * time.Second
			}
			if err == nil && answer.Events == nil && response.StatusCode != 429 && response.StatusCode != 503 {
				return refused, fmt.Errorf("%d: %s", response.StatusCode, answer.Detail)
			}
			if err == nil && answer.Events != nil {
				var open []Event
				for _, one := range answer.Events {
					switch one.Outcome {
					case "refused":
						refused = append(refused, one)
					case "not_acknowledged":
						open = append(open, events[one.Index])
					}
				}
				if events = open; len(events) == 0 {
					return refused, nil
				}
			}
		}
		time.Sleep(wait)
	}
	return refused, fmt.Errorf("%d events are not acknowledged", len(events))
}

func main() {
	refused, err := Send([]Event{
		{Metric: "llm.input_tokens", Value: "1280", Attrs: map[string]string{"model": "large"}},
		{Metric: "gpu.hours", TenantID: "acme/dev", Value: "0.25"},
	}, 8)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("refused:", refused)
}
