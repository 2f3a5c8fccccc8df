package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDeclarationsAreThoseOfTheCode: the Node package's types hold, and the declarations beside it are made of
// them: cd backend/node && ../../web/node_modules/.bin/tsc
func TestDeclarationsAreThoseOfTheCode(t *testing.T) {
	node, made := filepath.Join("..", "node"), t.TempDir()
	c := exec.Command(filepath.Join("..", "..", "web", "node_modules", ".bin", "tsc"), "--project", node, "--declarationDir", made)
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	files, err := os.ReadDir(filepath.Join(node, "types"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(made, f.Name()))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(node, "types", f.Name()))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s is not made of the code", f.Name())
	}
}
