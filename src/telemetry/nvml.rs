//! GPUs of this machine by NVIDIA's own library (NVML), which is loaded at run time.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
pub use nvml_wrapper::error::NvmlError;

use super::cgroup::{Place, Pods};
use super::dcgm::has_unified_memory;
use super::number::{celsius, percent, watts};
use crate::world::gpu::{Gpu, Holder, Memory, Slowdown};
use crate::world::{Text, Time};

/// The calls khud makes to the library. Each answer may be an error of its own: a device that lacks one number has the others.
pub trait Library {
    /// The driver's version.
    ///
    /// # Errors
    /// As NVML documents for `nvmlSystemGetDriverVersion`.
    fn driver(&self) -> Result<String, NvmlError>;
    /// # Errors
    /// As NVML documents for `nvmlDeviceGetCount`.
    fn count(&self) -> Result<u32, NvmlError>;
    /// # Errors
    /// As NVML documents for `nvmlDeviceGetHandleByIndex`.
    fn device(&self, index: u32) -> Result<Box<dyn Device + '_>, NvmlError>;
}

/// A GPU or a MIG instance of it. Every function has the errors that NVML documents for its own.
#[allow(clippy::missing_errors_doc)]
pub trait Device {
    fn uuid(&self) -> Result<String, NvmlError>;
    fn name(&self) -> Result<String, NvmlError>;
    fn memory(&self) -> Result<Memory, NvmlError>;
    /// Per cent of the last sample period in which a kernel ran.
    fn busy(&self) -> Result<u32, NvmlError>;
    /// Degrees Celsius.
    fn temperature(&self) -> Result<u32, NvmlError>;
    /// Milliwatt.
    fn power(&self) -> Result<u32, NvmlError>;
    /// Bits of `nvmlClocksEventReasons`.
    fn slowdown(&self) -> Result<u64, NvmlError>;
    /// Uncorrectable memory errors since the driver was loaded.
    fn uncorrected(&self) -> Result<u64, NvmlError>;
    /// Process ids with the bytes each uses, where the driver knows.
    fn processes(&self) -> Result<Vec<(u32, Option<u64>)>, NvmlError>;
    /// MIG instances; none of a device that is not cut.
    fn instances(&self) -> Vec<Box<dyn Device + '_>>;
}

/// Loads the library and the driver behind it.
///
/// # Errors
/// One sentence: what is missing, and what to look at.
pub fn load() -> Result<Nvml, String> {
    Nvml::init().map_err(|e| why_not(&e))
}

/// Why there is nothing to read, in a sentence.
pub fn why_not(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "no NVIDIA driver on this machine: libnvidia-ml.so.1 cannot be loaded; in a container, give it NVIDIA's runtime".into()
        }
        NvmlError::DriverNotLoaded => {
            "NVIDIA's library is here, but its kernel driver is not loaded; `modprobe nvidia`, or look at dmesg for why not".into()
        }
        NvmlError::LibRmVersionMismatch => {
            "NVIDIA's kernel driver and library have different versions: the driver was updated under running programs; reboot, or reload the kernel module".into()
        }
        NvmlError::NoPermission | NvmlError::OperatingSystem => {
            format!("NVIDIA's driver refuses: {error}; are /dev/nvidiactl and /dev/nvidia* there and readable?")
        }
        NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_) => {
            format!("NVIDIA's library is too old: {error}")
        }
        other => format!("NVIDIA's library does not answer: {other}"),
    }
}

/// Every GPU of the machine, and the driver's version. `place` says which container a process is in.
///
/// A device that cannot be opened (lost, in need of a reset) is there with its trouble and without numbers.
///
/// # Errors
/// Where the library tells nothing at all.
pub fn read(
    library: &dyn Library,
    host: &Text,
    pods: &Pods,
    place: &dyn Fn(u32) -> Option<Place>,
    at: Time,
) -> Result<(Text, Vec<Gpu>), String> {
    let driver: Text = library.driver().unwrap_or_default().into();
    let count = library.count().map_err(|e| why_not(&e))?;
    let mut out = Vec::new();
    for index in 0..count {
        let base = Gpu {
            node: host.clone(),
            index,
            driver: driver.clone(),
            source: "nvml".into(),
            read_at: at,
            ..Gpu::default()
        };
        match library.device(index) {
            Err(e) => out.push(Gpu { trouble: e.to_string().into(), ..base }),
            Ok(device) => {
                let whole = one(&*device, base, pods, place);
                let instances = device.instances();
                if instances.is_empty() {
                    out.push(whole);
                    continue;
                }
                for (i, instance) in instances.iter().enumerate() {
                    let base =
                        Gpu { memory: Memory::default(), busy: None, holders: Vec::new(), ..whole.clone() };
                    let mut slice = one(&**instance, base, pods, place);
                    slice.instance = i.to_string().into();
                    // `NVIDIA A100-SXM4-40GB MIG 1g.5gb`
                    if let Some((model, profile)) = slice.model.clone().split_once(" MIG ") {
                        slice.profile = profile.into();
                        slice.model = model.into();
                    }
                    out.push(slice);
                }
            }
        }
    }
    Ok((driver, out))
}

fn one(device: &dyn Device, base: Gpu, pods: &Pods, place: &dyn Fn(u32) -> Option<Place>) -> Gpu {
    let mut gpu = base;
    let mut trouble: Option<NvmlError> = None;
    // A value that a device cannot report is unknown; an error of the device itself is reported.
    let mut note = |e: NvmlError| {
        if matches!(
            e,
            NvmlError::GpuLost
                | NvmlError::ResetRequired
                | NvmlError::IrqIssue
                | NvmlError::InsufficientPower
        ) && trouble.is_none()
        {
            trouble = Some(e);
        }
    };
    match device.uuid() {
        Ok(uuid) => gpu.uuid = uuid.into(),
        Err(e) => note(e),
    }
    match device.name() {
        Ok(name) => gpu.model = name.into(),
        Err(e) => note(e),
    }
    match device.memory() {
        Ok(memory) => gpu.memory = memory,
        Err(e) => {
            gpu.memory.unified = has_unified_memory(&gpu.model);
            note(e);
        }
    }
    // Some drivers answer that a GPU with unified memory has none.
    if gpu.memory.total == Some(0) {
        gpu.memory = Memory { unified: true, ..Memory::default() };
    }
    let mut number = |value: Result<f64, NvmlError>| value.map_err(&mut note).ok();
    gpu.busy = number(device.busy().map(f64::from)).and_then(percent).or(gpu.busy);
    gpu.temperature = number(device.temperature().map(f64::from)).and_then(celsius).or(gpu.temperature);
    gpu.power = number(device.power().map(|mw| f64::from(mw) / 1000.0)).and_then(watts).or(gpu.power);
    match device.slowdown() {
        Ok(bits) => {
            gpu.slowdown = Some(Slowdown {
                thermal: bits & (0x20 | 0x40) != 0,
                hardware: bits & (0x8 | 0x80) != 0,
                power_cap: bits & 0x4 != 0,
            });
        }
        Err(e) => note(e),
    }
    match device.uncorrected() {
        Ok(n) => gpu.ecc.uncorrected = Some(n),
        Err(e) => note(e),
    }
    match device.processes() {
        Ok(processes) => {
            for (pid, used) in processes {
                let Some(place) = place(pid) else { continue };
                add(&mut gpu.holders, pods.holder(&place), used);
            }
        }
        Err(e) => note(e),
    }
    if let Some(e) = trouble {
        gpu.trouble = e.to_string().into();
    }
    gpu
}

/// Adds a process to the container it is in.
fn add(holders: &mut Vec<Holder>, new: Holder, used: Option<u64>) {
    let same = |h: &&mut Holder| (&h.uid, &h.container, &h.pod) == (&new.uid, &new.container, &new.pod);
    match holders.iter_mut().find(same) {
        Some(holder) => holder.memory = holder.memory.zip(used).map(|(a, b)| a.saturating_add(b)),
        None => holders.push(Holder { memory: used, ..new }),
    }
}

impl Library for Nvml {
    fn driver(&self) -> Result<String, NvmlError> {
        self.sys_driver_version()
    }

    fn count(&self) -> Result<u32, NvmlError> {
        self.device_count()
    }

    fn device(&self, index: u32) -> Result<Box<dyn Device + '_>, NvmlError> {
        Ok(Box::new(self.device_by_index(index)?))
    }
}

impl Device for nvml_wrapper::Device<'_> {
    fn uuid(&self) -> Result<String, NvmlError> {
        self.uuid()
    }

    fn name(&self) -> Result<String, NvmlError> {
        self.name()
    }

    fn memory(&self) -> Result<Memory, NvmlError> {
        let m = self.memory_info()?;
        Ok(Memory {
            used: Some(m.used),
            free: Some(m.free),
            reserved: Some(m.reserved),
            total: Some(m.total),
            unified: false,
        })
    }

    fn busy(&self) -> Result<u32, NvmlError> {
        Ok(self.utilization_rates()?.gpu)
    }

    fn temperature(&self) -> Result<u32, NvmlError> {
        self.temperature(TemperatureSensor::Gpu)
    }

    fn power(&self) -> Result<u32, NvmlError> {
        self.power_usage()
    }

    fn slowdown(&self) -> Result<u64, NvmlError> {
        Ok(self.current_throttle_reasons()?.bits())
    }

    fn uncorrected(&self) -> Result<u64, NvmlError> {
        self.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
    }

    fn processes(&self) -> Result<Vec<(u32, Option<u64>)>, NvmlError> {
        let mut all = self.running_compute_processes()?;
        // A device without graphics has no such processes; a process may be in both lists.
        let graphics = self.running_graphics_processes().unwrap_or_default();
        all.extend(graphics.into_iter().filter(|g| !all.iter().any(|p| p.pid == g.pid)).collect::<Vec<_>>());
        let used = |memory| match memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        Ok(all.into_iter().map(|p| (p.pid, used(p.used_gpu_memory))).collect())
    }

    fn instances(&self) -> Vec<Box<dyn Device + '_>> {
        // The count is how many there could be; places without an instance answer NotFound.
        let most = self.mig_device_count().unwrap_or(0);
        let found = (0..most).filter_map(|i| self.mig_device_by_index(i).ok());
        found.map(|d| Box::new(d) as Box<dyn Device + '_>).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Make = fn() -> NvmlError;

    /// Every error that NVML documents.
    const ERRORS: [Make; 22] = [
        || NvmlError::Uninitialized,
        || NvmlError::InvalidArg,
        || NvmlError::NotSupported,
        || NvmlError::NoPermission,
        || NvmlError::NotFound,
        || NvmlError::InsufficientSize(Some(5)),
        || NvmlError::InsufficientPower,
        || NvmlError::DriverNotLoaded,
        || NvmlError::Timeout,
        || NvmlError::IrqIssue,
        || NvmlError::LibraryNotFound,
        || NvmlError::FunctionNotFound,
        || NvmlError::CorruptedInfoROM,
        || NvmlError::GpuLost,
        || NvmlError::ResetRequired,
        || NvmlError::OperatingSystem,
        || NvmlError::LibRmVersionMismatch,
        || NvmlError::InUse,
        || NvmlError::InsufficientMemory,
        || NvmlError::NoData,
        || NvmlError::VgpuEccNotSupported,
        || NvmlError::Unknown,
    ];

    #[derive(Clone, Copy, PartialEq)]
    enum Asked {
        Driver,
        Count,
        Open,
        Uuid,
        Name,
        Memory,
        Busy,
        Temperature,
        Power,
        Slowdown,
        Uncorrected,
        Processes,
    }

    const ASKED: [Asked; 12] = [
        Asked::Driver,
        Asked::Count,
        Asked::Open,
        Asked::Uuid,
        Asked::Name,
        Asked::Memory,
        Asked::Busy,
        Asked::Temperature,
        Asked::Power,
        Asked::Slowdown,
        Asked::Uncorrected,
        Asked::Processes,
    ];

    /// A machine with two GPUs, the second of which is cut in two. One question is answered with an error.
    #[derive(Clone, Copy, Default)]
    struct Fake {
        fails: Option<(Asked, Make)>,
        index: u32,
        instance: Option<u32>,
    }

    impl Fake {
        fn ask<T>(&self, asked: Asked, answer: T) -> Result<T, NvmlError> {
            match self.fails {
                Some((failing, error)) if failing == asked => Err(error()),
                _ => Ok(answer),
            }
        }
    }

    impl Library for Fake {
        fn driver(&self) -> Result<String, NvmlError> {
            self.ask(Asked::Driver, "570.86.15".into())
        }
        fn count(&self) -> Result<u32, NvmlError> {
            self.ask(Asked::Count, 2)
        }
        fn device(&self, index: u32) -> Result<Box<dyn Device + '_>, NvmlError> {
            self.ask(Asked::Open, Box::new(Fake { index, ..*self }) as Box<dyn Device + '_>)
        }
    }

    impl Device for Fake {
        fn uuid(&self) -> Result<String, NvmlError> {
            self.ask(
                Asked::Uuid,
                format!("GPU-{}{}", self.index, self.instance.map_or(String::new(), |i| format!("-{i}"))),
            )
        }
        fn name(&self) -> Result<String, NvmlError> {
            let cut = if self.instance.is_some() { " MIG 3g.40gb" } else { "" };
            self.ask(Asked::Name, format!("NVIDIA H100{cut}"))
        }
        fn memory(&self) -> Result<Memory, NvmlError> {
            let m = Memory {
                used: Some(60),
                free: Some(30),
                reserved: Some(10),
                total: Some(100),
                unified: false,
            };
            self.ask(Asked::Memory, m)
        }
        fn busy(&self) -> Result<u32, NvmlError> {
            // NVML does not say it of instances.
            if self.instance.is_some() { Err(NvmlError::NotSupported) } else { self.ask(Asked::Busy, 97) }
        }
        fn temperature(&self) -> Result<u32, NvmlError> {
            self.ask(Asked::Temperature, 61)
        }
        fn power(&self) -> Result<u32, NvmlError> {
            self.ask(Asked::Power, 512_300)
        }
        fn slowdown(&self) -> Result<u64, NvmlError> {
            self.ask(Asked::Slowdown, 0x40)
        }
        fn uncorrected(&self) -> Result<u64, NvmlError> {
            self.ask(Asked::Uncorrected, 2)
        }
        fn processes(&self) -> Result<Vec<(u32, Option<u64>)>, NvmlError> {
            self.ask(Asked::Processes, vec![(10, Some(40)), (11, Some(15)), (99, Some(5))])
        }
        fn instances(&self) -> Vec<Box<dyn Device + '_>> {
            let cut = if self.index == 1 && self.instance.is_none() { 2 } else { 0 };
            (0..cut).map(|i| Box::new(Fake { instance: Some(i), ..*self }) as Box<dyn Device + '_>).collect()
        }
    }

    /// Processes 10 and 11 are in one container, 99 is in none.
    fn place(pid: u32) -> Option<Place> {
        (pid < 90).then(|| Place { uid: "u".into(), container: "c".into() })
    }

    fn look(fails: Option<(Asked, Make)>) -> Result<(Text, Vec<Gpu>), String> {
        read(&Fake { fails, ..Fake::default() }, &"host".into(), &Pods::default(), &place, Time(5))
    }

    #[test]
    fn a_machine_is_read_with_its_instances_and_containers() {
        let (driver, gpus) = look(None).unwrap();
        assert_eq!((&*driver, gpus.len()), ("570.86.15", 3));
        let g = &gpus[0];
        assert_eq!(
            (g.memory.used, g.total(), g.busy, g.power),
            (Some(60), Some(100), Some(97.0), Some(512.3))
        );
        assert_eq!(
            (g.temperature, g.ecc.uncorrected, g.slowdown.unwrap().thermal),
            (Some(61.0), Some(2), true)
        );
        let held: Vec<_> = g.holders.iter().map(|h| (&*h.pod, h.memory)).collect();
        assert_eq!(
            held,
            [("u", Some(55))],
            "both processes of the container, and nothing of the one outside"
        );
        let slices: Vec<_> =
            gpus[1..].iter().map(|g| (&*g.instance, &*g.profile, &*g.model, g.busy)).collect();
        assert_eq!(slices, [("0", "3g.40gb", "NVIDIA H100", None), ("1", "3g.40gb", "NVIDIA H100", None)]);
    }

    #[test]
    fn every_error_of_every_question_is_unknown_or_said_and_never_a_number() {
        let device = ["fell off the bus", "requires a reset", "interrupt issue", "power cables"];
        for asked in ASKED {
            for error in ERRORS {
                let words = error().to_string();
                let (driver, gpus) = match look(Some((asked, error))) {
                    Ok(read) => read,
                    Err(why) => {
                        assert!(asked == Asked::Count, "{words}");
                        assert!(why.contains("NVIDIA") && !why.contains('\n'), "{why}");
                        continue;
                    }
                };
                assert!(asked != Asked::Count);
                assert_eq!(driver.is_empty(), asked == Asked::Driver);
                let g = &gpus[0];
                let lacks = [
                    (Asked::Memory, g.memory.used.is_none()),
                    (Asked::Busy, g.busy.is_none()),
                    (Asked::Temperature, g.temperature.is_none()),
                    (Asked::Power, g.power.is_none()),
                    (Asked::Slowdown, g.slowdown.is_none()),
                    (Asked::Uncorrected, g.ecc.uncorrected.is_none()),
                    (Asked::Uuid, g.uuid.is_empty()),
                    (Asked::Name, g.model.is_empty()),
                ];
                for (what, lacking) in lacks {
                    assert_eq!(lacking, what == asked || asked == Asked::Open, "{words}");
                }
                let device_wide = device.iter().any(|d| words.contains(d));
                let told = asked == Asked::Open || device_wide && asked != Asked::Driver;
                assert_eq!(!g.trouble.is_empty(), told, "{words}: {:?}", g.trouble);
            }
        }
    }

    #[test]
    fn a_machine_without_a_driver_gets_one_sentence() {
        // Where there is a driver the sentence is not needed.
        if let Err(why) = load() {
            assert!(why.starts_with("no NVIDIA driver") || why.contains("NVIDIA's"), "{why}");
            assert!(!why.contains('\n'));
        }
    }
}
