package check

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/stretchr/testify/require"
)

// ignores is .dockerignore as `docker build` reads it.
func ignores(t *testing.T) func(file string) bool {
	t.Helper()
	f, err := os.Open("../../.dockerignore")
	require.NoError(t, err)
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	require.NoError(t, err)
	m, err := patternmatcher.New(patterns)
	require.NoError(t, err)
	return func(file string) bool {
		ignored, err := m.MatchesOrParentMatches(file)
		require.NoError(t, err)
		return ignored
	}
}

// buildFiles are those of the repository that `go build ./cmd/sfu` reads for an architecture.
func buildFiles(t *testing.T, arch string) map[string]bool {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Dir,Module,GoFiles,CgoFiles,SFiles,HFiles,EmbedFiles", "./cmd/sfu")
	list.Dir = "../.."
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := list.Output()
	require.NoError(t, err)
	files := map[string]bool{"go.mod": true, "go.sum": true}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			Dir    string
			Module *struct {
				Main bool
				Dir  string
			}
			GoFiles, CgoFiles, SFiles, HFiles, EmbedFiles []string
		}
		require.NoError(t, d.Decode(&p))
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir := strings.TrimPrefix(strings.TrimPrefix(p.Dir, p.Module.Dir), "/")
		for _, names := range [][]string{p.GoFiles, p.CgoFiles, p.SFiles, p.HFiles, p.EmbedFiles} {
			for _, name := range names {
				files[path.Join(dir, name)] = true
			}
		}
	}
	return files
}

// TestImageHasWhatItIsBuiltFrom: all of it, for each architecture.
func TestImageHasWhatItIsBuiltFrom(t *testing.T) {
	ignored := ignores(t)
	for _, arch := range []string{"amd64", "arm64"} {
		files := buildFiles(t, arch)
		require.Greater(t, len(files), 200, arch)
		for file := range files {
			require.False(t, ignored(file), "%s: the build needs %s", arch, file)
		}
	}
}

// TestImageHasNothingElse: of the files that git knows the image gets no other than Go files of packages that
// only tests import, which are less than a twentieth. It gets none that git does not know.
func TestImageHasNothingElse(t *testing.T) {
	ignored, needed := ignores(t), buildFiles(t, "amd64")
	for file := range buildFiles(t, "arm64") {
		needed[file] = true
	}
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	list.Dir = "../.."
	out, err := list.Output()
	require.NoError(t, err)
	var all, beyond []string
	for file := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		if ignored(file) {
			continue
		}
		all = append(all, file)
		if !needed[file] {
			beyond = append(beyond, file)
			require.True(t, strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go"), "the build does not need %s", file)
		}
	}
	require.Less(t, len(beyond)*20, len(all), "the build does not need %v", beyond)
	for _, file := range []string{
		".git/config", "sfu.keys", "cmd/sfu/sfu.keys", ".env", "config/.env", "web/demo/.env", "web/demo/sfu.keys", "web/demo/tls/key.txt", "web/client/sub/x.pem",
		"web/demo/a.password", "session/token/id.key", "bin/sfu", "data/nats/jetstream/x.go", "web/node_modules/typescript/x.go", "router/testdata/fuzz/F/x",
	} {
		require.True(t, ignored(file), file)
	}
}
