package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/config"
)

// completes returns what a shell is offered, without descriptions, by one press of Tab behind args.
func completes(t *testing.T, args ...string) string {
	t.Helper()
	out, err := do(append([]string{"__completeNoDesc"}, args...)...)
	require.NoError(t, err, args)
	offered, _, found := strings.Cut(out, ":4\n")
	require.True(t, found, "no names of files are offered: %s", out)
	return strings.Join(strings.Split(strings.TrimSpace(offered), "\n"), " ")
}

// TestCompletion: commands, flags, words, and what nodes tell.
func TestCompletion(t *testing.T) {
	n := start(t, func(c *config.Config) { c.Node.ID = "n1" })
	enter(t, n, "lobby", "ann", "")
	enter(t, n, "lobby", "bob", "")
	enter(t, n, "lounge", "cat", "")
	enter(t, n, 123, "dan", "")
	for line, want := range map[string]string{
		"ro": "room", "room ": "dismiss list message show", "events --ki": "--kind", "events --kind user-": "user-entered user-left user-updated",
		"events --kind 104,user-": "104,user-entered 104,user-left 104,user-updated", "room list --scene ": "call live", "node top --sort p": "packets publishers",
		"token create --role a": "anchor audience", "token create --rights enter,send_v": "enter,send_video", "completion ": "bash zsh fish",
		"room show @ lo": "lobby lounge", "room show @ lobby ": "", "room dismiss @ x": "", "room list @ ": "",
		"room show @ --room-id ": "123", "events @ --room lou": "lounge", "events @ --room-id 1": "123",
		"user show @ lo": "lobby lounge", "user remove @ lobby ": "ann bob", "user remove @ lobby ann ": "bob", "user show @ lobby b": "bob", "user block @ lobby ann ": "none both audio video",
		"user message @ --room-id 123 ": "dan", "node show @ ": "n1", "node drain @ n1 ": "",
	} {
		args := strings.Split(strings.Replace(line, "@", "--nats.url="+n.Addrs().NATS, 1), " ")
		require.Equal(t, want, completes(t, args...), line)
	}
	require.Equal(t, "lobby lounge", completes(t, "room", "show", "--admin="+n.Addrs().URL(), "lo"), "over HTTP")
	out, err := do("__complete", "room", "show", "--nats.url="+n.Addrs().NATS, "lob")
	require.NoError(t, err)
	require.Contains(t, out, "lobby\tcall, 2 users, on n1\n")
}

// TestCompletionIsSilentAndSoon without NATS, with a wrong configuration, and where nobody answers at all.
func TestCompletionIsSilentAndSoon(t *testing.T) {
	for _, at := range []string{"--nats.url=nats://127.0.0.1:9", "--nats.url=nats://192.0.2.1:4222", "--nats.listen=x", "--admin=ftp://x"} {
		began := time.Now()
		out, err := do("__complete", "user", "show", at, "")
		require.NoError(t, err)
		require.Equal(t, ":4\nCompletion ended with directive: ShellCompDirectiveNoFileComp\n", out)
		require.Less(t, time.Since(began), 2*completeTime)
	}
}

// TestFish completes what nodes tell, and carries out no name of a room.
func TestFish(t *testing.T) {
	n := start(t, func(c *config.Config) { c.Node.ID = "test" })
	enter(t, n, "(touch touched)", "ann", "")
	script, err := do("completion", "fish")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(os.Args[0], dir+"/sfu"))
	require.NoError(t, os.WriteFile(dir+"/sfu.fish", []byte(script), 0o600))
	for line, want := range map[string]string{
		"sfu completion z": "zsh\n", "sfu room show ": "(touch touched)\tcall, 1 user, on test\n",
		`sfu user remove \(touch\ touched\) `: "ann\tanchor\n", "sfu user remove '(touch touched)' ": "ann\tanchor\n",
	} {
		fish := exec.Command("fish", "--no-config", "-c", "source sfu.fish; complete -C $argv[1]", line)
		fish.Dir, fish.Env = dir, append(os.Environ(), asCommand+"=1", "SFU_NATS_URL="+n.Addrs().NATS, "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
		out, err := fish.Output()
		require.NoError(t, err, "make tools installs it")
		require.Equal(t, want, string(out), line)
	}
	require.NoFileExists(t, dir+"/touched")
}

// TestShellsTakeTheirScripts, as far as the shell is there: bash always is.
func TestShellsTakeTheirScripts(t *testing.T) {
	script, err := do("completion", "bash")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(os.Args[0], dir+"/sfu"))
	bash := exec.Command("bash", "--norc", "-c", script+`
		COMP_WORDS=(sfu node to) COMP_CWORD=2 COMP_LINE="sfu node to" COMP_POINT=11 COMP_TYPE=9
		_get_comp_words_by_ref() { cur=to prev=node words=("${COMP_WORDS[@]}") cword=2; }
		__start_sfu 2>/dev/null; # it sets options that only a shell with a person has
		 echo "${COMPREPLY[*]}"`)
	bash.Env = append(os.Environ(), asCommand+"=1", "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := bash.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "top", strings.Fields(string(out))[0], string(out))
	script, err = do("completion", "zsh")
	require.NoError(t, err)
	require.Contains(t, script, "#compdef sfu")
	_, err = do("completion", "bsh")
	require.ErrorContains(t, err, "did you mean bash?")
}
