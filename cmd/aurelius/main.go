// Command aurelius is the whole platform in one binary: `aurelius serve` runs it, the other
// commands are the clients and the care of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker (Makefile).
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type cli struct {
	Config kong.ConfigFlag `short:"c" placeholder:"FILE" help:"YAML file with flag names as keys; flags and AURELIUS_... environment variables come over it."`

	Serve       serveCmd       `cmd:"" help:"Run the server: DICOM, DICOMweb and the first page."`
	Echo        EchoCmd        `cmd:"" help:"C-ECHO a DICOM server."`
	Send        SendCmd        `cmd:"" help:"C-STORE files and folders to a DICOM server."`
	Find        FindCmd        `cmd:"" help:"C-FIND on a DICOM server."`
	Move        MoveCmd        `cmd:"" help:"C-MOVE from a DICOM server to a third one."`
	Get         GetCmd         `cmd:"" help:"C-GET from a DICOM server into a folder."`
	Import      importCmd      `cmd:"" help:"Bring in folders, zips, DICOMDIRs, or the storage of an Orthanc."`
	Backup      backupCmd      `cmd:"" help:"Copy the data directory while the server runs; again: only what has changed."`
	Restore     restoreCmd     `cmd:"" help:"Make a data directory of a backup, and prove it."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the tables of a database up to date before the nodes start; serve does it too."`
	Fsck        fsckCmd        `cmd:"" help:"Check the stored objects against the index; rebuild the index."`
	Conformance conformanceCmd `cmd:"" help:"Print the DICOM Conformance Statement of this binary."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// run is main without the process: arguments in, exit code out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("aurelius"),
		kong.Description("DICOM-native medical imaging server."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.DefaultEnvars("AURELIUS"),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.Vars{"import_url": importURL},
		kong.Exit(func(code int) { exited = code }),
		kong.Configuration(loadYAML),
	)
	if err != nil {
		fmt.Fprintln(stderr, "aurelius:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err == nil {
		err = parsed.Run(ctx)
	}
	var usage *kong.ParseError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "aurelius:", err)
		return 2
	default:
		fmt.Fprintln(stderr, "aurelius:", err)
		return 1
	}
}

type versionCmd struct{}

func (versionCmd) Run(w io.Writer) error {
	_, err := fmt.Fprintln(w, "aurelius", version)
	return err
}
