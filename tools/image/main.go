// Command image builds an OCI image of elenchus without a container engine, and inspects it.
//
// It writes an image layout (a folder that podman, skopeo, crane and containerd read) with one image for
// each platform: a static binary, a user without rights, a folder for its state, nothing else: no times,
// no paths of the machine, no certificates (mount them for model pull).
//
//	go run -C tools/image . -root ../.. -out ../../dist/image -platforms linux/amd64,linux/arm64
package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const (
	binary = "usr/local/bin/elenchus"
	state  = "var/lib/elenchus"
	user   = 65532
)

func main() {
	root := flag.String("root", "../..", "folder of the module elenchus")
	out := flag.String("out", "../../dist/image", "folder to write, in place of what is there")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	flag.Parse()
	if err := build(*root, *out, strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func build(root, out string, platforms []string) error {
	work, err := os.MkdirTemp("", "elenchus-image-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // nothing to do about it
	if err := generate(root); err != nil {
		return err
	}
	index := mutate.IndexMediaType(v1.ImageIndex(empty.Index), types.OCIImageIndex)
	for _, p := range platforms {
		platform, err := v1.ParsePlatform(p)
		if err != nil {
			return fmt.Errorf("platform %q: %w", p, err)
		}
		img, err := image(root, work, platform)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if _, err := layout.Write(out, index); err != nil {
		return err
	}
	return inspect(out, platforms)
}

// generate makes the modules for browsers that the binary carries.
func generate(root string) error {
	c := exec.Command("go", "generate", "./web") //nolint:gosec // our own generator
	c.Dir = root
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go generate ./web: %w\n%s", err, text)
	}
	return nil
}

// image compiles for a platform and packs the result.
func image(root, work string, p *v1.Platform) (v1.Image, error) {
	exe := filepath.Join(work, p.OS+"-"+p.Architecture)
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", exe, "./cmd/elenchus") //nolint:gosec // our own compiler
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Architecture)
	if text, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, text)
	}
	layer, err := pack(exe)
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, err
	}
	f, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	f = f.DeepCopy()
	f.OS, f.Architecture = p.OS, p.Architecture
	f.Config = v1.Config{
		Entrypoint: []string{"/" + binary}, User: fmt.Sprint(user), WorkingDir: "/" + state, Env: []string{"XDG_DATA_HOME=/var/lib"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "9001/tcp": {}, "9100/tcp": {}}, Volumes: map[string]struct{}{"/" + state: {}},
		StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title": "elenchus", "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.description": "Verifiable inference: answers that anyone can check",
		},
	}
	return mutate.ConfigFile(img, f)
}

// pack makes the one layer, with no times in it.
func pack(exe string) (v1.Layer, error) {
	program, err := os.ReadFile(exe)
	if err != nil {
		return nil, err
	}
	passwd := fmt.Sprintf("elenchus:x:%d:%d:elenchus:/%s:/sbin/nologin\n", user, user, state)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range []struct {
		name string
		mode int64
		uid  int
		body []byte
	}{
		{"etc/", 0o755, 0, nil}, {"etc/passwd", 0o644, 0, []byte(passwd)}, {"tmp/", 0o1777, 0, nil},
		{"usr/", 0o755, 0, nil}, {"usr/local/", 0o755, 0, nil}, {"usr/local/bin/", 0o755, 0, nil}, {binary, 0o755, 0, program},
		{"var/", 0o755, 0, nil}, {"var/lib/", 0o755, 0, nil}, {state + "/", 0o700, user, nil},
	} {
		h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.uid, Size: int64(len(e.body)), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(6))
}

// inspect reads the layout back: digests, sizes, configuration, and a binary that needs no library.
func inspect(out string, platforms []string) error {
	index, err := layout.ImageIndexFromPath(out)
	if err != nil {
		return err
	}
	if err := validate.Index(index); err != nil {
		return fmt.Errorf("the layout is not valid: %w", err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if len(m.Manifests) != len(platforms) {
		return fmt.Errorf("%d images, want %d", len(m.Manifests), len(platforms))
	}
	for i, d := range m.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		size, err := check(img, platforms[i])
		if err != nil {
			return fmt.Errorf("%s: %w", platforms[i], err)
		}
		fmt.Printf("%s %s %d MiB\n", platforms[i], d.Digest, size>>20)
	}
	return nil
}

// check looks at one image and returns its compressed size in bytes.
func check(img v1.Image, platform string) (int64, error) {
	f, err1 := img.ConfigFile()
	layers, err2 := img.Layers()
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	if f.OS+"/"+f.Architecture != platform || f.Config.User != fmt.Sprint(user) || len(layers) != 1 {
		return 0, fmt.Errorf("an image of %s/%s for user %q with %d layers", f.OS, f.Architecture, f.Config.User, len(layers))
	}
	in, err := layers[0].Uncompressed()
	if err != nil {
		return 0, err
	}
	defer in.Close() //nolint:errcheck // read only
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err != nil {
			return 0, fmt.Errorf("no %s: %w", binary, err)
		}
		if h.Name != binary {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return 0, err
		}
		if err := static(b); err != nil {
			return 0, err
		}
		return layers[0].Size()
	}
}

// static says whether a binary runs in an image without libraries.
func static(b []byte) error {
	e, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return err
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("the binary wants a dynamic loader")
		}
	}
	return nil
}
