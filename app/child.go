package app

import (
	"context"
	"fmt"
	"os"

	"elenchus/importer/chat"
	"elenchus/proving/worker"
)

// Child does what this process was started for by another one of this program, if it was, and ends
// it. It comes before everything else.
func Child() {
	chat.Child()
	worker.Child()
}

// sandbox runs the chat templates of model files in processes of their own.
func sandbox() chat.Runner {
	exe, err := os.Executable()
	if err != nil {
		return func(context.Context, chat.Source, []chat.Probe) ([]chat.Result, error) {
			return nil, fmt.Errorf("%w: this program cannot start itself to run it: %w", chat.ErrSource, err)
		}
	}
	return chat.Sandbox(exe)
}
