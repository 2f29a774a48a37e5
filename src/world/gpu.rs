//! One GPU as its exporter or its driver describes it.

use super::{Text, Time};

/// The scope of a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Scope {
    /// The whole device.
    #[default]
    Device,
    /// A MIG instance or a partition of it.
    Slice,
    /// The processes of one container.
    Process,
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Device => "device",
            Scope::Slice => "slice",
            Scope::Process => "process",
        }
    }
}

/// A container that holds a GPU or a share of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Holder {
    pub namespace: Text,
    pub pod: Text,
    pub container: Text,
    /// The pod's uid, where the source says.
    pub uid: Text,
    /// The ResourceClaim, where the GPU was given out by dynamic resource allocation.
    pub claim: Text,
    /// Memory it uses in bytes. `None`: the source knows only what the device uses.
    pub memory: Option<u64>,
    /// Per cent of the GPU's time, where the source tells holders apart.
    pub busy: Option<f64>,
}

/// Memory of a GPU or of a slice, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    pub used: Option<u64>,
    pub free: Option<u64>,
    /// Kept by the driver; part of the total.
    pub reserved: Option<u64>,
    /// As the source says it; see [`Gpu::total`].
    pub total: Option<u64>,
    /// The GPU has no memory of its own and uses the node's.
    pub unified: bool,
}

/// The last error that the driver reported. The gauge keeps it for ever: it is no news that it is there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Xid {
    pub code: u32,
    pub message: Text,
    /// How often in the exporter's window, where it counts.
    pub recent: Option<u64>,
}

/// Memory errors and what was done about them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ecc {
    pub uncorrected: Option<u64>,
    pub corrected: Option<u64>,
    /// Rows replaced for uncorrectable errors.
    pub remapped: Option<u64>,
    pub remap_failed: Option<bool>,
}

/// Why the clocks are lower than they could be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slowdown {
    pub thermal: bool,
    /// The external power brake or a hardware slowdown of no stated reason.
    pub hardware: bool,
    /// The configured power limit: normal under load.
    pub power_cap: bool,
}

/// One GPU, or one MIG slice or partition of it. What the source does not say is `None`.
///
/// Memory and `busy` are those of [`Gpu::scope`]; temperature, power, clocks and errors are the device's always.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Gpu {
    /// The Kubernetes node, or the machine.
    pub node: Text,
    /// The device's number on its node.
    pub index: u32,
    pub uuid: Text,
    /// e.g. `NVIDIA A100-SXM4-80GB`.
    pub model: Text,
    pub driver: Text,
    /// MIG profile (`1g.5gb`) and instance, or the partition; empty for a whole GPU.
    pub profile: Text,
    pub instance: Text,
    /// The source: `dcgm`, `amd`, `intel`, `nvml`, `nvidia-smi`.
    pub source: Text,
    pub memory: Memory,
    /// Per cent.
    pub busy: Option<f64>,
    /// Per cent of the time in which tensor cores, and the memory interface, did work.
    pub tensor_active: Option<f64>,
    pub memory_active: Option<f64>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    /// Watt.
    pub power: Option<f64>,
    pub slowdown: Option<Slowdown>,
    pub xid: Option<Xid>,
    pub ecc: Ecc,
    /// Why it cannot be used, in the source's words (`GPU is lost`, `requires reset`); empty where nothing is said.
    pub trouble: Text,
    pub holders: Vec<Holder>,
    pub read_at: Time,
}

impl Gpu {
    /// Whether it is fully busy and neither computes nor moves data, as a kernel does that waits for another GPU.
    pub fn is_stalled(&self) -> bool {
        let below = |share: Option<f64>| share.is_some_and(|s| s <= 1.0);
        self.busy.is_some_and(|b| b >= 99.0) && below(self.tensor_active) && below(self.memory_active)
    }

    /// The scope of memory and `busy`.
    pub fn scope(&self) -> Scope {
        if self.instance.is_empty() { Scope::Device } else { Scope::Slice }
    }

    /// The memory of the device or slice, in bytes: as its source says, else used, free and reserved together.
    pub fn total(&self) -> Option<u64> {
        let m = &self.memory;
        m.total.or_else(|| m.used?.checked_add(m.free?)?.checked_add(m.reserved.unwrap_or(0)))
    }

    /// The usable memory, without the driver's reserve.
    pub fn usable(&self) -> Option<u64> {
        let m = &self.memory;
        match (m.used, m.free) {
            (Some(used), Some(free)) => used.checked_add(free),
            _ => m.total.map(|total| total.saturating_sub(m.reserved.unwrap_or(0))),
        }
    }

    /// Used of what can be used, 0 to 1.
    pub fn fullness(&self) -> Option<f64> {
        let (used, usable) = (self.memory.used?, self.usable()?);
        (usable > 0).then(|| used as f64 / usable as f64)
    }

    /// `NODE/0`, `NODE/0.3` for slice 3.
    pub fn label(&self) -> String {
        let dot = if self.instance.is_empty() { "" } else { "." };
        format!("{}/{}{dot}{}", self.node, self.index, self.instance)
    }
}
