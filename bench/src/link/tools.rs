//! Which tools are measured: a table. Adding a tool is adding an entry.

pub(super) mod conns;
mod quic;
mod rclone;
mod srt;
mod ssh;
mod syncthing;
mod uftp;

use super::transfer::{Ended, Transfer};

/// A tool with one setting.
pub(super) struct Tool {
    /// As shown in the result.
    pub(super) label: &'static str,
    /// Programs it needs.
    pub(super) programs: &'static [&'static str],
    /// Congestion control of TCP in both namespaces; `None` for tools over UDP.
    pub(super) congestion: Option<&'static str>,
    /// Whether it can send folders.
    pub(super) sends_folders: bool,
    /// Sends the payload.
    pub(super) run: fn(&Transfer<'_>) -> Ended,
}

const fn udp(
    label: &'static str,
    programs: &'static [&'static str],
    run: fn(&Transfer<'_>) -> Ended,
) -> Tool {
    Tool { label, programs, congestion: None, sends_folders: true, run }
}

const fn tcp(
    label: &'static str,
    programs: &'static [&'static str],
    congestion: &'static str,
    run: fn(&Transfer<'_>) -> Ended,
) -> Tool {
    Tool { label, programs, congestion: Some(congestion), sends_folders: true, run }
}

const CONNS: &[&str] = &["conns"];
const SCP: &[&str] = &["scp", "ssh", "sshd"];
const RSYNC: &[&str] = &["rsync", "ssh", "sshd"];
const RCLONE: &[&str] = &["rclone"];
const UFTP: &[&str] = &["uftp", "uftpd"];
const QCP: &[&str] = &["qcp", "ssh", "sshd"];
const SYNCTHING: &[&str] = &["syncthing"];
const RELAYED: &[&str] = &["syncthing", "strelaysrv"];

/// All tools, in the order of the result and of round one.
pub(super) static TOOLS: [Tool; 19] = [
    udp("conns link", CONNS, conns::send),
    tcp("scp, cubic", SCP, "cubic", ssh::scp),
    tcp("scp, bbr", SCP, "bbr", ssh::scp),
    tcp("rsync over ssh, cubic", RSYNC, "cubic", ssh::rsync),
    tcp("rsync over ssh, bbr", RSYNC, "bbr", ssh::rsync),
    tcp("rclone webdav, cubic", RCLONE, "cubic", rclone::webdav),
    tcp("rclone webdav, bbr", RCLONE, "bbr", rclone::webdav),
    tcp("rclone sftp, cubic", RCLONE, "cubic", rclone::sftp),
    tcp("rclone sftp, bbr", RCLONE, "bbr", rclone::sftp),
    tcp("syncthing, cubic", SYNCTHING, "cubic", syncthing::direct),
    tcp("syncthing, bbr", SYNCTHING, "bbr", syncthing::direct),
    tcp("syncthing by its relay, cubic", RELAYED, "cubic", syncthing::relayed),
    tcp("syncthing by its relay, bbr", RELAYED, "bbr", syncthing::relayed),
    udp("uftp at 95 % of the rate", UFTP, uftp::at_the_rate),
    udp("uftp with TFMCC", UFTP, uftp::with_tfmcc),
    Tool { sends_folders: false, ..udp("srt-file-transmit", &["srt-file-transmit"], srt::send) },
    udp("qcp, cubic", QCP, quic::qcp_cubic),
    udp("qcp, bbr", QCP, quic::qcp_bbr),
    udp("sendme", &["sendme"], quic::sendme),
];
