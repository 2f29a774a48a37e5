//! Model servers and GPUs: models that do not load, caches that are full, drivers and devices.

use super::table::{Row, exact, named, repeated};
use crate::judge::log as causes;
use crate::judge::{crash, gpu, latency, node, roles};

pub const ROWS: &[Row] = &[
    exact(
        causes::MODEL_OOM_LOADING,
        &["out of memory", "outofmemory"],
        r"(?i)load(?:ing)? (?:the )?(?:model|weights|checkpoint)[^\n]*(?:out of memory|OutOfMemory)",
        "the model does not fit into memory while loading",
    ),
    exact(
        causes::MODEL_OOM_LOADING,
        &[
            "memory for the cache blocks",
            "kv cache memory",
            "stored in kv cache",
            "desired gpu memory utilization",
            "not enough memory. please try to increase --mem-fraction",
            "not enough memory to handle",
            "insufficient memory to load",
        ],
        r"No available memory for the cache blocks|(?P<what>[0-9.]+ G(?:i)?B) KV cache is ?needed, which is larger than the available|larger than the available KV cache memory|larger than the maximum number of tokens that can be stored in KV cache|is less than desired GPU memory utilization|Please try to increase --mem-fraction-static|Not enough memory to handle|[Ii]nsufficient memory to load",
        "the model and its KV cache do not fit into the GPU's memory[, {what} needed]",
    ),
    exact(
        causes::MODEL_TRANSFER_INCOMPLETE,
        &["-of-0"],
        r#"(?i)(?:no such file|not found|missing|does not exist)[^\n]{0,200}[\w-]-\d{5}-of-(?P<what>\d{5})\.|-\d{5}-of-(?P<what2>\d{5})\.\w+["']?:? (?:no such file|not found|is missing|does not exist)"#,
        "the model's files are not all there[: {what} parts]",
    ),
    exact(
        causes::MODEL_CORRUPT,
        &[
            "safetensorerror",
            "unpicklingerror",
            "checksum mismatch",
            "corrupt",
            "pytorchstreamreader",
            "invalid magic",
            "error while deserializing header",
            "hash mismatch",
        ],
        r"SafetensorError|[Ee]rror while deserializing header|UnpicklingError|PytorchStreamReader failed|(?i:checksum mismatch)[^\n]*(?i:model|weights|checkpoint|safetensors|gguf|shard|blob)|(?i:(?:model|weights|checkpoint|safetensors|gguf|shard|blob)[^\n]*(?:checksum mismatch|hash mismatch|corrupt))|(?i:corrupt(?:ed)? (?:model|weights|checkpoint))|[Ii]nvalid magic (?:number|characters)|The file might be corrupted",
        "the model's files do not read",
    ),
    exact(
        causes::MODEL_TRANSFER_INCOMPLETE,
        &["incomplete", "truncated", "expected size", "consistency check failed"],
        r"(?i:(?:model|weights|checkpoint|safetensors|gguf|shard|tensor)[^\n]{0,80}(?:incomplete|truncated|unexpected end of file))|MetadataIncompleteBuffer|[Cc]onsistency check failed: file should be of size (?P<what>\d+)|(?i:incomplete|truncated) (?i:model|weights|checkpoint|safetensors|gguf|download)",
        "the model's files are incomplete",
    ),
    exact(
        causes::MODEL_PATH,
        &[
            "failed to load model",
            "model",
            "weights",
            "checkpoint",
            "safetensors",
            "gguf",
            "local folder",
            "appear to have a file named",
            "any model weights",
            "repository not found",
            "entry not found",
        ],
        r#"Repository Not Found for url: (?P<what3>[^\s]+\w)|Entry Not Found for url: (?P<what4>[^\s]+\w)|(?i:failed to load model)[^\n]*(?i:no such file|not found|does not exist)|(?i:model|weights|checkpoint|safetensors|gguf)[^\n]*(?i:no such file or directory)|(?i:model|weights|checkpoint|safetensors|gguf)[^\n]{0,60}(?i:does not exist)|(?i:no such file or directory: )'[^']*(?:model|weights|checkpoint|safetensors|gguf)|does not appear to have a file named (?P<what>[\w./-]*\w)|is not a local folder and is not a valid model identifier|[Cc]annot find any model weights|[Rr]epo id must be in the form|Can't load (?:tokenizer|the configuration|the model) (?:for|of) '(?P<what2>[^']+)'|error loading model: [^\n]*(?i:failed to open)"#,
        "the model's files are not where the server looks for them",
    ),
    exact(
        causes::MODEL_INCOMPATIBLE,
        &[
            "does not recognize this architecture",
            "unrecognized configuration class",
            "are not supported for now",
            "unknown model architecture",
            "unsupported model",
            "size mismatch for",
            "loading state_dict",
            "must be divisible by",
            "supported on gpus with compute capability",
            "unknown quantization",
            "version tag does not match",
            "engine plan file is not compatible",
            "engine was built with",
            "different version of tensorrt",
        ],
        r"Version tag does not match|engine plan file is (?:not compatible|generated on an incompatible)|different version of TensorRT|does not recognize this architecture|Unrecognized configuration class|[Mm]odel architectures [^\n]* are not supported|unknown model architecture: '(?P<what>[^']+)'|[Uu]nsupported model (?:type|architecture)|size mismatch for (?P<what2>[\w.]+)|Error\(s\) in loading state_dict|number of attention heads[^\n]*must be divisible by|only supported on GPUs with compute capability|[Uu]nknown quantization method",
        "the server does not support this model[: {what}]",
    ),
    exact(
        causes::CONFIG,
        &["gated repo", "gatedrepoerror", "token is required", "invalid user token", "is restricted"],
        r"gated repo|GatedRepoError|Invalid user token|Access to model (?P<what>\S+) is restricted|Token is required",
        "the model needs a token that is missing or refused",
    ),
    repeated(
        latency::KV_CACHE,
        &["kv cache"],
        r"(?i)not enough KV cache (?:space|blocks)|KV cache (?:pool )?is full",
        "requests are thrown back because the KV cache is full",
    ),
    // Drivers and devices.
    exact(
        roles::GPU_DRIVER_MISMATCH,
        &["driver/library version mismatch", "driver and library versions"],
        r"(?i)driver/library version mismatch",
        "NVIDIA driver and library versions differ",
    )
    .always(),
    exact(
        roles::GPU_PLUGIN,
        &["nvml", "libnvidia-ml"],
        r"could not load NVML library|ERROR_LIBRARY_NOT_FOUND|libnvidia-ml\.so[^\n]*(?:not found|cannot open)|NVML Shared Library Not Found",
        "NVML library cannot be loaded",
    )
    .always(),
    exact(
        node::GPU_VANISHED,
        &[
            "cuda gpus are available",
            "cuda-capable device",
            "cuda devices",
            "error_no_device",
            "found no nvidia driver",
            "cuinit",
            "failed to initialize nvml",
            "no gpus found",
            "gpus were found",
            "failed to infer device type",
            "no devices were found",
            "cuda is not available",
            "invalid device ordinal",
        ],
        r"No CUDA GPUs are available|[Nn]o CUDA(?:-capable)? devices? (?:is |are |were )?(?:available|detected|found)|CUDA_ERROR_NO_DEVICE|Found no NVIDIA driver on your system|failed call to cuInit|Failed to initialize NVML: (?:Unknown Error|N/A|Not Found|Driver Not Loaded)|No GPUs? (?:were )?found|Failed to infer device type|No devices were found|CUDA is not available|invalid device ordinal",
        "the program sees no GPU",
    )
    .always(),
    exact(
        causes::GPU_HUNG_COLLECTIVE,
        &["collective operation timeout", "nccl timeout", "watchdog thread terminated"],
        r"Watchdog caught collective operation timeout|NCCL timeout",
        "a collective operation hangs until its timeout",
    )
    .always(),
    exact(
        gpu::ECC,
        &["uncorrectable ecc", "ecc_uncorrectable", "uncorrectable nvlink"],
        r"(?i:uncorrectable (?:ECC|NVLink) error)|CUDA_ERROR_ECC_UNCORRECTABLE",
        "the GPU's memory has an uncorrectable error",
    )
    .always(),
    named(
        crash::APPLICATION,
        &["cuda error", "cublas_status", "cudnn_status", "device-side assert", "illegal memory access"],
        r"CUDA error: (?P<what>[^\n]+)|(?P<what2>(?:CUBLAS|CUDNN)_STATUS_\w+)|(?P<what3>device-side assert triggered|illegal memory access was encountered)",
        "CUDA fails: {what}",
    )
    .running(causes::CUDA_ERROR),
    named(
        causes::UNREACHABLE,
        &["nccl error", "nccl warn", "ncclsystemerror", "ncclremoteerror"],
        r"NCCL WARN [^\n]*Connect to %host%<%port%> failed|NCCL WARN [^\n]*(?:[Cc]onnection (?:refused|timed out|closed)|No route|failed)|nccl(?:System|Remote)Error|NCCL error[^\n]*(?:system error|remote)",
        "NCCL: [{host}:{port} is not reachable]",
    )
    .running(causes::LOG_REFUSED),
];
