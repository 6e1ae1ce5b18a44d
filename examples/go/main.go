// Runs the skill data-analysis on the numbers that it is given and keeps its files.
//
//	skillbox skill push examples/skills/data-analysis
//	cd examples/go && go run . 1 2 3 4 5
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	skillbox "github.com/skillbox-dev/skillbox/clients/go"
)

func main() {
	log.SetFlags(0)
	// Ctrl-C cancels the run on the server too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := analyse(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func analyse(ctx context.Context, arguments []string) error {
	server := os.Getenv("SKILLBOX_SERVER_URL")
	if server == "" {
		server = "http://localhost:8080"
	}
	client := skillbox.New(server, os.Getenv("SKILLBOX_API_KEY"))

	// json.Number keeps the digits as they were typed.
	numbers := make([]json.Number, len(arguments))
	for i, argument := range arguments {
		numbers[i] = json.Number(argument)
	}
	input, err := json.Marshal(map[string]any{"data": numbers})
	if err != nil {
		return err
	}
	result, err := client.Run(ctx, skillbox.RunRequest{Skill: "data-analysis", Input: input})
	var refusal *skillbox.APIError
	if errors.As(err, &refusal) && refusal.ErrorCode == "not_found" {
		return fmt.Errorf("push the skill first: %w", err)
	}
	if err != nil {
		return err
	}
	if result.Status != "success" {
		return fmt.Errorf("the run ended as %s: %s", result.Status, result.Error)
	}

	var statistics struct {
		Count int     `json:"row_count"`
		Mean  float64 `json:"mean"`
	}
	if err := json.Unmarshal(result.Output, &statistics); err != nil {
		return err
	}
	fmt.Printf("%d numbers, mean %g, in %d ms\n", statistics.Count, statistics.Mean, result.DurationMs)
	return client.DownloadFiles(ctx, result, "files")
}
