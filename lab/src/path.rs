//! A path between two namespaces whose delay, rate, queue and loss are known because the lab carries every packet.
//!
//! Each end is a TUN device; one thread per direction reads packets from one and writes them to the other when
//! their time has come. Invariant: the model (`lane`) decides a packet's fate the moment it is read, with
//! absolute times, so a late wake-up delays one packet and never the clock.

mod dice;
mod forward;
pub mod lane;
mod packet;
mod variation;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::netns::Namespace;
use forward::Carrier;
pub use lane::{Counts, Queue, Shape};
pub use variation::{Jitter, Reordering, Shift};

/// Address of side A on every path.
pub const A4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// Address of side B on every path.
pub const B4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
/// IPv6 address of side A on every path.
pub const A6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
/// IPv6 address of side B on every path.
pub const B6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));

const DEVICE: &str = "lab0";
/// The TUN device must never be the place where packets are lost: the lane's queue is the only bottleneck.
/// Some kernels accept only a shorter one.
const DEVICE_QUEUE_PACKETS: [&str; 2] = ["100000", "10000"];

/// Two namespaces and the link between them; dropping it stops the carriers and removes the namespaces.
#[derive(Debug)]
pub struct Path {
    a_to_b: Carrier,
    b_to_a: Carrier,
    a: Namespace,
    b: Namespace,
}

impl Path {
    /// Builds both ends and starts carrying.
    pub fn build(a_to_b: Shape, b_to_a: Shape) -> Result<Self> {
        let a = Namespace::create("a")?;
        let b = Namespace::create("b")?;
        let tun_a = Arc::new(device(&a, A4, A6)?);
        let tun_b = Arc::new(device(&b, B4, B6)?);
        Ok(Self {
            a_to_b: Carrier::start("lab-a-to-b", tun_a.clone(), tun_b.clone(), a_to_b)?,
            b_to_a: Carrier::start("lab-b-to-a", tun_b, tun_a, b_to_a)?,
            a,
            b,
        })
    }

    /// The namespace of side A.
    pub fn a(&self) -> &Namespace {
        &self.a
    }

    /// The namespace of side B.
    pub fn b(&self) -> &Namespace {
        &self.b
    }

    /// What the direction A to B did so far.
    pub fn a_to_b(&self) -> Counts {
        self.a_to_b.counts()
    }

    /// What the direction B to A did so far.
    pub fn b_to_a(&self) -> Counts {
        self.b_to_a.counts()
    }

    /// How long a packet that A sends now waits for the serialiser.
    pub fn queueing_delay_a_to_b(&self) -> Duration {
        self.a_to_b.queueing_delay()
    }

    /// How long a packet that B sends now waits for the serialiser.
    pub fn queueing_delay_b_to_a(&self) -> Duration {
        self.b_to_a.queueing_delay()
    }

    /// Swallows (or carries again) everything that A sends; packets already on their way still arrive.
    pub fn swallow_a_to_b(&self, on: bool) {
        self.a_to_b.swallow(on);
    }

    /// Swallows (or carries again) everything that B sends.
    pub fn swallow_b_to_a(&self, on: bool) {
        self.b_to_a.swallow(on);
    }

    /// Clamps the congestion window of every later connection of side A, in segments.
    pub fn clamp_cwnd_of_a(&self, segments: u32) -> Result<()> {
        let segments = segments.to_string();
        self.a.ip(&["route", "replace", "10.77.0.2/32", "dev", DEVICE, "cwnd", "lock", &segments])
    }

    /// Sets the congestion control of later TCP connections of both sides to each other.
    ///
    /// It is a property of routes: the sysctl of a namespace accepts only what the first namespace allows to all users.
    pub fn set_congestion_control(&self, name: &str) -> Result<()> {
        for (namespace, other) in [(&self.a, B4), (&self.b, A4)] {
            let other = format!("{other}/32");
            namespace
                .ip(&["route", "replace", &other, "dev", DEVICE, "congctl", name])
                .with_context(|| format!("is the congestion control {name} in this kernel?"))?;
        }
        Ok(())
    }
}

fn device(namespace: &Namespace, v4: IpAddr, v6: IpAddr) -> Result<SyncDevice> {
    // No vnet header: the kernel then segments by itself, and one read is one packet of the wire.
    let tun = namespace.inside(|| DeviceBuilder::new().name(DEVICE).build_sync())?.with_context(
        || format!("cannot open /dev/net/tun for {}; is the tun module there?", namespace.name()),
    )?;
    tun.set_nonblocking(true).context("making the TUN device non-blocking")?;
    let [long, short] = DEVICE_QUEUE_PACKETS;
    namespace
        .ip(&["link", "set", DEVICE, "txqueuelen", long])
        .or_else(|_| namespace.ip(&["link", "set", DEVICE, "txqueuelen", short]))?;
    namespace.ip(&["link", "set", DEVICE, "mtu", "1500", "addrgenmode", "none", "up"])?;
    namespace.ip(&["addr", "add", &format!("{v4}/24"), "dev", DEVICE])?;
    namespace.ip(&["addr", "add", &format!("{v6}/64"), "dev", DEVICE, "nodad"])?;
    Ok(tun)
}
