//! The container in the path of a control group, by the forms in which container managers name theirs:
//!
//! - Docker, containerd, CRI-O, Podman, Kubernetes: 64 hexadecimal digits, such as `/system.slice/docker-ID.scope`,
//!   `/docker/ID`, `/kubepods.slice/…/cri-containerd-ID.scope`;
//! - `BuildKit`: `/buildkit/ID`; in Docker `/docker/buildkit/ID`, with systemd `/system.slice/docker-ID.scope`;
//! - LXC, LXD, Incus, Proxmox: `/lxc.payload.NAME`; LXC 3.1 `/lxc.payload/NAME`; before, and Proxmox, `/lxc/NAME`;
//! - systemd-nspawn: `/machine.slice/machine-NAME.scope`, `/machine.slice/systemd-nspawn@NAME.service`.

/// Digits in a container id of Docker, containerd, CRI-O and Podman: SHA-256 in hexadecimal.
const ID_DIGITS: usize = 64;

/// Characters of an id of `BuildKit`, in base 36 (`identity/randomid.go`).
const BUILDKIT_ID_CHARACTERS: usize = 25;

/// The innermost container: its id, or of LXC and systemd-nspawn its name.
pub(super) fn container(path: &str) -> Option<Box<str>> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    (0..segments.len()).rev().find_map(|at| {
        let segment = segments.get(at)?;
        let parent = at.checked_sub(1).and_then(|at| segments.get(at)).copied();
        let child = segments.get(at + 1).copied();
        id(segment)
            .or_else(|| buildkit_id(segment, parent))
            .or_else(|| lxc_name(segment, parent))
            .map(Into::into)
            .or_else(|| nspawn_name(segment, child).map(Into::into))
    })
}

/// A run of exactly 64 hexadecimal digits.
fn id(segment: &str) -> Option<&str> {
    segment.split(|c: char| !c.is_ascii_hexdigit()).rfind(|run| run.len() == ID_DIGITS)
}

fn buildkit_id<'a>(segment: &'a str, parent: Option<&str>) -> Option<&'a str> {
    let of_scope = || segment.strip_prefix("docker-")?.strip_suffix(".scope");
    let id = if parent == Some("buildkit") { segment } else { of_scope()? };
    let is_base_36 = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    (id.len() == BUILDKIT_ID_CHARACTERS && id.bytes().all(is_base_36)).then_some(id)
}

/// The processes of a container; the monitor that starts it is outside, in `lxc.monitor.NAME`.
fn lxc_name<'a>(segment: &'a str, parent: Option<&str>) -> Option<&'a str> {
    let name = match parent {
        Some("lxc" | "lxc.payload") => Some(segment),
        _ => segment.strip_prefix("lxc.payload."),
    };
    name.filter(|name| !name.is_empty())
}

/// The name of a machine of systemd-nspawn. Its own processes, which run outside of it, are in the child `supervisor`.
/// The virtual machines of libvirt are no containers: their scopes are `machine-qemu\x2dNUMBER\x2dNAME.scope`.
fn nspawn_name(segment: &str, child: Option<&str>) -> Option<String> {
    let of_scope = || segment.strip_prefix("machine-")?.strip_suffix(".scope");
    let of_service = || segment.strip_prefix("systemd-nspawn@")?.strip_suffix(".service");
    let escaped = of_scope().or_else(of_service).filter(|name| !name.is_empty())?;
    let is_outside = child == Some("supervisor") || escaped.starts_with(r"qemu\x2d");
    (!is_outside).then(|| unescaped(escaped))
}

/// Replaces `\x2d` and the like, as systemd-escape(1) writes them.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(r"\x") {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(br"\x");
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3d1a2f8c9be0471d52c6a7f0e94b18d35a6c7f1e0b92d84c3f5a61e7d0829b4c";
    /// As `identity.NewID` of BuildKit makes them.
    const BUILDKIT_ID: &str = "j3qhlw2ubcs2q8yszpydpstku";

    /// Each path, and the container in it; `ID` and `BID` stand for ids.
    const PATHS: &[(&str, Option<&str>)] = &[
        ("/system.slice/docker-ID.scope", Some("ID")),
        ("/docker/ID", Some("ID")),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice/cri-containerd-ID.scope",
            Some("ID"),
        ),
        ("/kubepods/besteffort/pod0f7c2b1e-6a1d-4c55-9d86-0c2f4b6a7d11/ID", Some("ID")),
        ("/machine.slice/libpod-ID.scope/container", Some("ID")),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", Some("ID")),
        // A longer run of digits is no id.
        ("/docker/ID0", None),
        // BuildKit
        ("/buildkit/BID", Some("BID")),
        ("/docker/buildkit/BID", Some("BID")),
        ("/system.slice/docker-BID.scope", Some("BID")),
        ("/docker/ID/buildkit/BID", Some("BID")),
        ("/docker/buildkit", None),
        ("/buildkit/init.scope", None),
        ("/system.slice/docker-cleanup.scope", None),
        ("/system.slice/docker.service", None),
        // LXC
        ("/lxc.payload.web", Some("web")),
        ("/lxc.payload.web-1/system.slice/nginx.service", Some("web-1")),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/lxc.payload.u1/init.scope",
            Some("u1"),
        ),
        ("/lxc.payload/web/init.scope", Some("web")),
        ("/lxc/web", Some("web")),
        ("/lxc/101/ns/system.slice/postfix.service", Some("101")),
        ("/lxc.monitor.web", None),
        ("/lxc.monitor/101", None),
        ("/lxc.pivot", None),
        ("/system.slice/lxc.service", None),
        ("/lxc", None),
        // Docker in LXC
        ("/lxc.payload.web/system.slice/docker-ID.scope", Some("ID")),
        // systemd-nspawn
        (
            r"/machine.slice/machine-my\x2dweb.scope/payload/system.slice/nginx.service",
            Some("my-web"),
        ),
        ("/machine.slice/machine-web.scope", Some("web")),
        ("/machine.slice/systemd-nspawn@web.service/payload/init.scope", Some("web")),
        (r"/machine.slice/systemd-nspawn@my\x2dweb.service/payload", Some("my-web")),
        ("/machine.slice/systemd-nspawn@web.service/supervisor", None),
        ("/machine.slice/machine-web.scope/supervisor", None),
        (r"/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator", None),
        (r"/machine.slice/machine-lxc\x2d4711\x2dweb.scope/libvirt", Some("lxc-4711-web")),
        ("/machine.slice", None),
        ("/machine.slice/machine-.scope", None),
        ("/", None),
        ("", None),
    ];

    #[test]
    fn containers_are_found_in_the_paths_of_their_managers() {
        for (path, expected) in PATHS {
            let real = |text: &str| text.replace("BID", BUILDKIT_ID).replace("ID", ID);
            let path = real(path);
            assert_eq!(container(&path).as_deref(), expected.map(real).as_deref(), "{path}");
        }
    }

    #[test]
    fn escapes_of_systemd_are_replaced() {
        for (escaped, plain) in [
            ("a", "a"),
            (r"a\x2db\x40", "a-b@"),
            (r"\x", r"\x"),
            (r"\xg1\x2d", r"\xg1-"),
            (r"\xc3\xa4", "ä"),
        ] {
            assert_eq!(unescaped(escaped), plain);
        }
    }
}
