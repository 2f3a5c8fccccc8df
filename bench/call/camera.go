package call

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// What the camera shows.
const (
	width, height, frames = 960, 540, 25
	// cameraSeconds is how long the picture is before it begins again; each second takes 20 MB of disk.
	cameraSeconds = 8
)

// film makes the file of the fake camera: a test pattern with moving parts and a clock. It is not packed, so that reading it
// costs next to nothing.
func film(ctx context.Context, dir string) (string, error) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return "", fmt.Errorf("ffmpeg is missing: run `make tools` or `apt-get install -y ffmpeg`: %w", err)
	}
	name := filepath.Join(dir, "camera.y4m")
	source := fmt.Sprintf("testsrc2=size=%dx%d:rate=%d", width, height, frames)
	cmd := exec.CommandContext(ctx, path, "-loglevel", "error", "-f", "lavfi", "-i", source, "-t", fmt.Sprint(cameraSeconds), "-pix_fmt", "yuv420p", name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make the camera's picture: %w\n%s", err, out)
	}
	return name, nil
}
