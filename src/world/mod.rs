//! What we know of the cluster: records, indexes, and the changes a delta made. Knows neither kube nor terminals.
