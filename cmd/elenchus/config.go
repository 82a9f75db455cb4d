package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"elenchus/app"

	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configHelp is the one rule of precedence.
const configHelp = `Every flag can also be set by a variable or in a file. What is said first in this list counts:

  1. the flag                    --log-format json
  2. the command's variable      ELENCHUS_GATEWAY_LOG_FORMAT=json
  3. the variable of all         ELENCHUS_LOG_FORMAT=json
  4. the command's table         [gateway]
                                 log-format = "json"
  5. the file's beginning        log-format = "json"
  6. the default

The file is TOML: --config, else ELENCHUS_CONFIG, else elenchus/config.toml in the user's configuration
directory if it is there. Tables are commands ([model.pull] is "model pull"), keys are flags.`

// settings are the values that a file and the environment give to flags.
type settings struct {
	path   string // of the file; empty: none
	values *koanf.Koanf
	getenv func(string) (string, bool)
}

// origin says where the value of a flag comes from.
const originKey = "elenchus_origin"

// configure sets the flags of a command that were not given. Roles that a network starts get all they
// need as flags: nothing of the user's settings for the network reaches them twice.
func configure(c *cobra.Command) error {
	if app.IsChild() {
		return nil
	}
	s, err := readSettings(c)
	if err != nil {
		return err
	}
	if err := s.check(c.Root()); err != nil {
		return err
	}
	var errs error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Changed && f.Name != "help" && f.Name != "config" {
			errs = errors.Join(errs, s.apply(commandPath(c), f))
		}
	})
	return errs
}

// readSettings opens the file that was named, or the user's if there is one.
func readSettings(c *cobra.Command) (*settings, error) {
	s := &settings{values: koanf.New("."), getenv: os.LookupEnv}
	path, err := c.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	named := path != ""
	if !named {
		path, named = os.LookupEnv("ELENCHUS_CONFIG")
	}
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return s, nil //nolint:nilerr // no home, no file
		}
		path = filepath.Join(dir, "elenchus", "config.toml")
	}
	err = s.values.Load(file.Provider(path), toml.Parser())
	if errors.Is(err, fs.ErrNotExist) && !named {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: config %s: %w", errUsage, path, err)
	}
	s.path = path
	return s, nil
}

// commandPath is the path of a command below the root: "model pull".
func commandPath(c *cobra.Command) string {
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	return path
}

// check refuses keys that no command has: what is misspelt is not silently without effect.
func (s *settings) check(root *cobra.Command) error {
	known := map[string]bool{}
	each(root, func(c *cobra.Command) {
		table := strings.ReplaceAll(commandPath(c), " ", ".")
		c.Flags().VisitAll(func(f *pflag.Flag) {
			known[f.Name], known[table+"."+f.Name] = true, true
		})
	})
	for _, key := range s.values.Keys() {
		if key == "config" || !known[key] {
			return fmt.Errorf("%w: config %s: key %s = %v: no command has such a flag; see: elenchus config show", errUsage, s.path, key, s.values.Get(key))
		}
	}
	return nil
}

// each visits every command that does something.
func each(c *cobra.Command, visit func(*cobra.Command)) {
	if c.HasParent() && c.Runnable() {
		visit(c)
	}
	for _, sub := range c.Commands() {
		each(sub, visit)
	}
}

// variables are the names of the variables for a flag of a command, the one that counts first.
func variables(path, flag string) []string {
	upper := func(text string) string {
		return strings.ToUpper(strings.NewReplacer(" ", "_", "-", "_").Replace(text))
	}
	return []string{"ELENCHUS_" + upper(path+" "+flag), "ELENCHUS_" + upper(flag)}
}

// apply gives a flag its value.
func (s *settings) apply(path string, f *pflag.Flag) error {
	for _, name := range variables(path, f.Name) {
		if text, ok := s.getenv(name); ok && text != "" {
			if err := f.Value.Set(text); err != nil {
				return fmt.Errorf("%w: variable %s = %s: %w", errUsage, name, shown(f, text), err)
			}
			return mind(f, name)
		}
	}
	for _, key := range []string{strings.ReplaceAll(path, " ", ".") + "." + f.Name, f.Name} {
		if !s.values.Exists(key) {
			continue
		}
		if err := setValue(f, s.values.Get(key)); err != nil {
			return fmt.Errorf("%w: config %s: key %s = %s: %w", errUsage, s.path, key, shown(f, fmt.Sprint(s.values.Get(key))), err)
		}
		return mind(f, s.path)
	}
	return nil
}

// mind notes that a flag is set and by what.
func mind(f *pflag.Flag, from string) error {
	f.Changed = true
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[originKey] = []string{from}
	return nil
}

// setValue sets a flag from a value of the file: a list for a flag that may be repeated, else text, a
// number or true and false.
func setValue(f *pflag.Flag, v any) error {
	list, isList := v.([]any)
	many, takes := f.Value.(pflag.SliceValue)
	switch {
	case isList && !takes:
		return errors.New("a list, want one value")
	case isList:
		texts := make([]string, len(list))
		for i, x := range list {
			if texts[i] = fmt.Sprint(x); !plain(x) {
				return fmt.Errorf("element %d is no plain value", i)
			}
		}
		return many.Replace(texts)
	case !plain(v):
		return errors.New("a table, want a value")
	case takes:
		return many.Replace([]string{fmt.Sprint(v)})
	}
	return f.Value.Set(fmt.Sprint(v))
}

func plain(v any) bool {
	switch v.(type) {
	case string, bool, int64, float64:
		return true
	}
	return false
}

// shown is a value for people: those of secrets are hidden.
func shown(f *pflag.Flag, text string) string {
	if f.Name == "api-key" && text != "" && text != "[]" {
		return "(hidden)"
	}
	return text
}

// setting is a flag with its value and where that comes from.
type setting struct {
	Command string `json:"command"`
	Flag    string `json:"flag"`
	Value   string `json:"value"`
	Origin  string `json:"origin"` // flag, default, a variable or a file
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Say how flags are set by variables and a file", Long: configHelp}
	l := &local{}
	show := &cobra.Command{
		Use: "show [COMMAND...]", Short: "Print the values that a command would use, each with where it comes from", Long: configHelp,
		RunE: func(c *cobra.Command, args []string) error {
			all, err := effective(c, args)
			if err != nil {
				return err
			}
			return l.print(c, map[string]any{"settings": all}, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, s := range all {
					fmt.Fprintf(t, "%s\t--%s\t%s\t%s\n", s.Command, s.Flag, s.Value, s.Origin)
				}
				_ = t.Flush() // a writer that fails says so at the next print
			})
		},
	}
	show.Flags().BoolVar(&l.asJSON, "json", false, "print one JSON object")
	c.AddCommand(show)
	return c
}

// effective are the settings of the commands below a path; without one only what is not the default.
func effective(c *cobra.Command, path []string) ([]setting, error) {
	at, rest, err := c.Root().Find(path)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: there is no command %q", errUsage, strings.Join(path, " "))
	}
	s, err := readSettings(c)
	if err != nil {
		return nil, err
	}
	out := []setting{}
	each(at, func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if err != nil || f.Hidden || f.Name == "help" || f.Name == "config" {
				return
			}
			err = s.apply(commandPath(c), f)
			origin := "default"
			if from := f.Annotations[originKey]; len(from) > 0 {
				origin = from[0]
			} else if len(path) == 0 {
				return
			}
			out = append(out, setting{commandPath(c), f.Name, shown(f, f.Value.String()), origin})
		})
	})
	return out, err
}
