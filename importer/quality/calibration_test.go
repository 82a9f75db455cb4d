package quality_test

import (
	"os"
	"strings"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/importer"
	"elenchus/importer/quality"
	"elenchus/models"
)

// storyTokens is how much is written after each beginning.
const storyTokens = 150

func beginnings() []string {
	return []string{
		"Once upon a time", "One day, a small cat", "Tom and Sara went to the park", "The old man had a red boat",
		"Lily was sad because", "In the forest, there was a big tree",
	}
}

// The calibration text is what the default model finds most likely after beginnings of ours. Only the
// first story is written again, unless ELENCHUS_UPDATE=1 makes them all.
func TestCalibrationIsWhatTheDefaultModelWrites(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{Class: importer.ClassR16})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	write := func(begin string) string {
		job := decode.Job{Prompt: template.Prompt(tok, begin), StopIDs: man.Model.EndIDs, MaxNew: storyTokens}
		run, err := decode.New(man.Model, job, nil, decode.Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		for !run.Done() {
			if err := run.Advance(16); err != nil {
				t.Fatal(err)
			}
		}
		text, err := tok.Decode(append(job.Prompt, run.Output()...))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(text)
	}
	if os.Getenv("ELENCHUS_UPDATE") == "1" {
		var all []string
		for _, b := range beginnings() {
			all = append(all, write(b))
		}
		if err := os.WriteFile("calibration.txt", []byte(strings.Join(all, "\n"+quality.Separator+"\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	first, _, _ := strings.Cut(quality.Calibration(), "\n"+quality.Separator+"\n")
	if got := write(beginnings()[0]); got != first {
		t.Errorf("the default model writes\n%s\nthe text begins\n%s", got, first)
	}
}
