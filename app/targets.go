package app

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// target is an entry of a file that Prometheus reads targets from (file_sd_configs).
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// TargetsFile is where a network says, in Prometheus' form, where its metrics are.
func (n *Network) TargetsFile() string { return filepath.Join(n.cfg.Dir, "targets.json") }

// Metrics are the addresses of the operator's faces of all roles that run, by role.
func (n *Network) Metrics(ctx context.Context) (map[string]string, error) {
	n.mu.Lock()
	roles := maps.Clone(n.roles)
	n.mu.Unlock()
	out := map[string]string{}
	for name, c := range roles {
		if strings.HasPrefix(name, "impostor") {
			continue // a stranger shows nothing
		}
		select {
		case url := <-c.metrics:
			c.metrics <- url
			out[name] = url
		case <-c.done: // its end is reported elsewhere
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return out, nil
}

// writeTargets writes the file.
func (n *Network) writeTargets(ctx context.Context) error {
	urls, err := n.Metrics(ctx)
	if err != nil {
		return err
	}
	all := []target{}
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		all = append(all, target{[]string{strings.TrimPrefix(urls[name], "http://")}, map[string]string{"name": name}})
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(n.TargetsFile(), append(b, '\n'))
}
