//! Numbers that are not API objects: GPU memory, kube-proxy metrics, usage.
