package place

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The types of file systems, by statfs(2) and the kernel's include/uapi/linux/magic.h, that other machines share. A
// lock may not be seen there by all, and a mapped file may change or vanish under its reader.
var network = map[uint32]string{
	0x6969:     "nfs",
	0xff534d42: "cifs",
	0xfe534d42: "smb2",
	0x517b:     "smb",
	0x5346414f: "afs",
	0x6b414653: "kafs",
	0x73757245: "coda",
	0x01021997: "9p",
	0x00c36400: "ceph",
	0x0bd00bd0: "lustre",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x01161970: "gfs2",
	0x7461636f: "ocfs2",
	0x61636673: "acfs",
	0x013661fc: "vboxsf",
	0xbacbacbc: "vmhgfs",
}

// fuse stands for many file systems, of which these are shared; the table of mounts tells which one it is.
const fuse = 0x65735546

var networkFUSE = []string{"fuse.sshfs", "fuse.nfs", "fuse.cifs", "fuse.smbnetfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.glusterfs",
	"fuse.s3fs", "fuse.rclone", "fuse.davfs", "fuse.gcsfuse", "fuse.blobfuse", "fuse.blobfuse2", "fuse.curlftpfs",
	"fuse.gvfsd-fuse", "fuse.JuiceFS", "fuse.mfs", "fuse.lizardfs", "fuse.vmhgfs-fuse"}

// Base gives the folder that the locks, the socket and the database of a cache folder stand in: dir itself, as Resolve
// gave it, or, if dir is on a network file system, a local folder of the user's in its stead. Then network is the
// name of that file system's type, and the database is to be kept in memory.
//
// The folder in its stead is in the folder for temporary files and not in $XDG_RUNTIME_DIR, which a cron job does not
// have, so that all of the user's processes on a machine find the same one.
func Base(dir string) (base, network string, err error) {
	if network = networkType(dir); network == "" {
		return dir, "", nil
	}
	temp := os.TempDir()
	if t := networkType(temp); t != "" {
		return "", "", fmt.Errorf("%s is on a network file system (%s), and so is %s (%s)", dir, network, temp, t)
	}
	own := filepath.Join(temp, fmt.Sprintf("gptpipe-%d", os.Geteuid()))
	if err := Prepare(own); err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(own, fmt.Sprintf("%x", sum[:8])), network, nil
}

// networkType names the type of file system that a folder is on, or will be when it is made, if it is a network's.
func networkType(dir string) string {
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = syscall.Statfs(dir, &st)
	}
	if err != nil {
		return "" // whatever is wrong, the first use of the folder will tell
	}
	if uint32(st.Type) != fuse {
		return network[uint32(st.Type)]
	}
	if name := mountType(dir); slices.Contains(networkFUSE, name) {
		return name
	}
	return ""
}

// mountType is the type of the file system that a folder is on, as in "fuse.sshfs": proc_pid_mountinfo(5).
func mountType(dir string) string {
	var st syscall.Stat_t
	if syscall.Stat(dir, &st) != nil {
		return ""
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	// makedev(3)
	device := fmt.Sprintf("%d:%d", st.Dev>>8&0xfff|st.Dev>>32&^0xfff, st.Dev&0xff|st.Dev>>12&^0xff)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mount, super, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if name := strings.Fields(super); len(fields) > 2 && fields[2] == device && len(name) > 0 {
			return name[0]
		}
	}
	return ""
}
