package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"elenchus/network/fetch"
	"elenchus/service/gateway"
)

// pullFromHub fetches a model for a client of a gateway into the user's store. Only names of the hub that the operator
// chose are taken: addresses and paths of a client's choice would be read with the operator's rights.
func pullFromHub(ctx context.Context, name string, report func(gateway.PullStep)) (StoredModel, error) {
	store, err := OpenStore("")
	if err != nil {
		return StoredModel{}, err
	}
	o := PullOptions{Hub: os.Getenv("HF_ENDPOINT"), Token: os.Getenv("HF_TOKEN"), Import: ImportOptions{Class: AutoClass, Template: "auto"}}
	return store.pullFor(ctx, name, o, report)
}

// pullFor is Pull of a hub's model, with its steps. A model that is stored under the name is not fetched again.
func (s Store) pullFor(ctx context.Context, name string, o PullOptions, report func(gateway.PullStep)) (StoredModel, error) {
	repo, ok := fetch.ParseRepo(strings.TrimSuffix(name, ":latest"))
	if !ok {
		return StoredModel{}, fmt.Errorf("%w: model %q: only OWNER/NAME[@REVISION][:FILE] of a hub is fetched here", gateway.ErrInvalid, name)
	}
	ref := "hf:" + repo.ID + "@" + repo.Revision // so that no path of this machine is meant
	if repo.Wanted != "" {
		ref += ":" + repo.Wanted
	}
	stored, err := s.Find(repo.Base())
	if err == nil || !errors.Is(err, ErrNoModel) {
		return stored, err
	}
	digests := map[string]string{}
	o.Files = func(files []fetch.HubFile) {
		for _, f := range files {
			if f.SHA256 != nil {
				digests[filepath.Base(filepath.FromSlash(f.Name))] = fmt.Sprintf("%x", f.SHA256)
			}
		}
	}
	o.Progress = func(file string, done, all int64) {
		report(gateway.PullStep{Status: "pulling " + file, Digest: digests[file], Done: done, All: max(all, 0)})
	}
	o.Import.Progress = func(done, all int) {
		report(gateway.PullStep{Status: "importing", Done: int64(done), All: int64(all)})
	}
	stored, err = s.Pull(ctx, ref, o)
	switch {
	case errors.Is(err, fetch.ErrMissing):
		err = fmt.Errorf("%w: %w", gateway.ErrModelNotFound, err)
	case errors.Is(err, fetch.ErrRefused):
		err = fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	case err != nil:
		err = fmt.Errorf("%w: %w", gateway.ErrUnavailable, err)
	}
	return stored, err
}
