// Command pack writes a Helm chart as a package, as `helm package` does:
//
//	go run ./pack CHART VERSION DIRECTORY
//
// SOURCE_DATE_EPOCH, seconds, is the time of its files, so that the same chart is the same bytes.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: pack CHART VERSION DIRECTORY")
		os.Exit(2)
	}
	name, err := pack(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(name)
}

// pack returns the path of the package. The chart and the nodes that it installs have the version.
func pack(chart, version, to string) (string, error) {
	c, err := loader.Load(chart)
	if err != nil {
		return "", err
	}
	c.Metadata.Version, c.Metadata.AppVersion = version, version
	if err := c.Validate(); err != nil {
		return "", err
	}
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		c.StampModTimes(time.Unix(seconds, 0))
	}
	return chartutil.Save(c, to)
}
