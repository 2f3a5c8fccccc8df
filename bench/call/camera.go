package call

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// What the camera shows.
const (
	width, height, frames = 960, 540, 25
	// cameraSeconds is how long the picture is before it begins again; each second takes 20 MB of disk.
	cameraSeconds = 8
	// cameraName is what the film is called in the directory of a run. Chromium goes by how it ends.
	cameraName = "camera.y4m"
)

// film makes the picture of the fake camera: a test pattern with moving parts and a clock. It is not packed,
// so that reading it costs next to nothing. Its name is but a link to a file of this process: the disk space
// is free again as this ends, however it does.
func film(ctx context.Context, dir string) (f *os.File, err error) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, fmt.Errorf("ffmpeg is missing: run `make tools` or `apt-get install -y ffmpeg`: %w", err)
	}
	if f, err = os.CreateTemp(dir, "camera"); err != nil {
		return nil, fmt.Errorf("make the camera's picture: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the camera's picture: %w", err)
	}
	source := fmt.Sprintf("testsrc2=size=%dx%d:rate=%d", width, height, frames)
	cmd := exec.CommandContext(ctx, path, "-loglevel", "error", "-f", "lavfi", "-i", source, "-t", fmt.Sprint(cameraSeconds), "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-")
	var complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = f, &complaints
	if err := cmd.Run(); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the camera's picture: %w\n%s", err, complaints.Bytes())
	}
	return f, os.Symlink(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), filepath.Join(dir, cameraName))
}
