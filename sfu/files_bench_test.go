package sfu

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web"
)

// BenchmarkFileAnswers is what a request for a file takes of CPU in the server, headers as a browser sends
// them, on connections that stay open: what stranger.filePrice stands for. The client writes many requests at
// once and throws the answers away, which is counted too.
func BenchmarkFileAnswers(b *testing.B) {
	handler := web.Handler(web.Pages{Demo: true})
	first := httptest.NewRecorder()
	handler.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/client/nodes.js", nil))
	tag := first.Result().Header.Get("ETag")
	const batch = 20
	const headers = "Host: node.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36\r\n" +
		"Accept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nReferer: https://node.example/\r\n" +
		"Sec-Fetch-Dest: script\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n"
	for name, request := range map[string]string{
		"200": "GET /client/nodes.js HTTP/1.1\r\n" + headers + "\r\n",
		"304": "GET /client/nodes.js HTTP/1.1\r\n" + headers + "If-None-Match: " + tag + "\r\n\r\n",
		"404": "GET /client/none.js HTTP/1.1\r\n" + headers + "\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(handler)
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			require.NoError(b, err)
			defer c.Close()
			_, err = io.WriteString(c, request)
			require.NoError(b, err)
			in := &counted{r: c}
			res, err := http.ReadResponse(bufio.NewReader(in), nil)
			require.NoError(b, err)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(b, err)
			require.Equal(b, name, fmt.Sprint(res.StatusCode))
			size := in.n // of all answers: only the time of day differs
			many, began := []byte(strings.Repeat(request, batch)), cpuTime()
			for b.Loop() {
				_, err = c.Write(many)
				require.NoError(b, err)
				_, err = io.CopyN(io.Discard, c, batch*size)
				require.NoError(b, err)
			}
			b.ReportMetric(float64((cpuTime()-began).Microseconds())/float64(b.N*batch), "µs-cpu/answer")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// cpuTime is what the process has taken of CPU.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
