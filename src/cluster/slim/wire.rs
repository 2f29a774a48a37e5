//! The parts of the API's JSON that khud reads, borrowed from the input. Every other field is skipped.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::world::Time;

/// A string, borrowed from the input unless it has escapes. A number (`intstr.IntOrString`) becomes its
/// digits.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct S<'a>(pub Cow<'a, str>);

impl std::ops::Deref for S<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for S<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<S<'a>, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = S<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<S<'de>, E> {
                Ok(S(Cow::Borrowed(v)))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<S<'de>, E> {
                Ok(S(Cow::Owned(v.to_owned())))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<S<'de>, E> {
                Ok(S(Cow::Owned(v.to_string())))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<S<'de>, E> {
                Ok(S(Cow::Owned(v.to_string())))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<S<'de>, E> {
                Ok(S(Cow::Owned(v.to_string())))
            }
        }
        d.deserialize_any(V)
    }
}

/// A JSON object of strings, in the order of the input.
#[derive(Debug, Default)]
pub struct Pairs<'a>(pub Vec<(S<'a>, S<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Pairs<'a>, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut out = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(key) = map.next_key::<S<'de>>()? {
                    // A null label or quantity has no meaning.
                    if let Some(value) = map.next_value::<Option<S<'de>>>()? {
                        out.push((key, value));
                    }
                }
                Ok(Pairs(out))
            }
        }
        d.deserialize_map(V)
    }
}

/// A time. Text that is not a time becomes `None`, so that the rest of the object survives.
#[derive(Debug, Default, Clone, Copy)]
pub struct When(pub Option<Time>);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<When, D::Error> {
        let text = S::deserialize(d)?;
        Ok(When(Time::parse(&text)))
    }
}

pub fn time(when: Option<When>) -> Option<Time> {
    when.and_then(|w| w.0)
}

/// A whole number, clamped to the range of `i64`.
#[derive(Debug, Default, Clone, Copy)]
pub struct N(pub i64);

impl<'de> Deserialize<'de> for N {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<N, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = N;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<N, E> {
                Ok(N(v))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<N, E> {
                Ok(N(i64::try_from(v).unwrap_or(i64::MAX)))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<N, E> {
                // `as` saturates and truncates.
                Ok(N(v as i64))
            }
        }
        d.deserialize_any(V)
    }
}

pub fn u32_of(n: Option<N>) -> u32 {
    n.map_or(0, |n| u32::try_from(n.0.max(0)).unwrap_or(u32::MAX))
}

pub fn i32_of(n: Option<N>) -> i32 {
    n.map_or(0, |n| n.0.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
}

pub fn u16_of(n: Option<N>) -> u16 {
    n.map_or(0, |n| u16::try_from(n.0.max(0)).unwrap_or(u16::MAX))
}

/// Records that a field exists; its value is skipped.
#[derive(Debug, Default, Clone, Copy)]
pub struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Present, D::Error> {
        IgnoredAny::deserialize(d)?;
        Ok(Present)
    }
}

type O<T> = Option<T>;

/// Declares wire structs: every field optional, names in camelCase, strings borrowed from the input.
macro_rules! wire {
    ($($name:ident $(<$l:lifetime>)? { $($(#[$a:meta])* $field:ident: $ty:ty,)* })*) => { $(
        #[derive(Deserialize, Debug, Default)]
        #[serde(rename_all = "camelCase", default)]
        $(#[doc = stringify!(Borrows $l from the input.)] #[serde(bound(deserialize = "'de: 'a"))])?
        pub struct $name $(<$l>)? { $($(#[$a])* pub $field: O<$ty>,)* }
    )* };
}

wire! {
    Meta<'a> {
        name: S<'a>, namespace: S<'a>, uid: S<'a>, resource_version: S<'a>, generation: N,
        creation_timestamp: When, deletion_timestamp: When, labels: Pairs<'a>,
        finalizers: Vec<S<'a>>, owner_references: Vec<OwnerReference<'a>>, annotations: Annotations<'a>,
    }
    OwnerReference<'a> { kind: S<'a>, name: S<'a>, uid: S<'a>, controller: bool, }
    // Only the annotations that khud shows or judges. Others may hold whole manifests with the data of
    // Secrets.
    Annotations<'a> {
        #[serde(rename = "deployment.kubernetes.io/revision")] revision: S<'a>,
        #[serde(rename = "kubernetes.io/change-cause")] change_cause: S<'a>,
        #[serde(rename = "kubernetes.io/config.mirror")] mirror: Present,
        #[serde(rename = "k8s.io/initial-events-end")] initial_events_end: S<'a>,
    }
    // Metadata with the time of each field manager's last write, without annotations.
    Managed<'a> {
        name: S<'a>, namespace: S<'a>, uid: S<'a>, resource_version: S<'a>, generation: N,
        creation_timestamp: When, deletion_timestamp: When, labels: Pairs<'a>,
        owner_references: Vec<OwnerReference<'a>>, managed_fields: Vec<ManagedFields<'a>>,
    }
    // `Managed` with the annotations of workloads.
    ManagedAnnotated<'a> {
        name: S<'a>, namespace: S<'a>, uid: S<'a>, resource_version: S<'a>, generation: N,
        creation_timestamp: When, deletion_timestamp: When, labels: Pairs<'a>,
        owner_references: Vec<OwnerReference<'a>>, managed_fields: Vec<ManagedFields<'a>>,
        annotations: Annotations<'a>,
    }
    ManagedFields<'a> { manager: S<'a>, time: When, subresource: S<'a>, }
    Condition<'a> {
        #[serde(rename = "type")] kind: S<'a>, status: S<'a>, reason: S<'a>, message: S<'a>,
        last_transition_time: When, last_update_time: When, last_heartbeat_time: When,
    }
    Requirements<'a> { requests: Pairs<'a>, limits: Pairs<'a>, }
    Port<'a> { name: S<'a>, container_port: N, port: N, protocol: S<'a>, }
    HttpGet<'a> { path: S<'a>, port: S<'a>, scheme: S<'a>, }
    PortOnly<'a> { port: S<'a>, }
    Command<'a> { command: Vec<S<'a>>, }
    Probe<'a> {
        http_get: HttpGet<'a>, tcp_socket: PortOnly<'a>, grpc: PortOnly<'a>, exec: Command<'a>,
        initial_delay_seconds: N, period_seconds: N, timeout_seconds: N, failure_threshold: N,
    }
    Named<'a> { name: S<'a>, }
    ValueFrom<'a> { config_map_key_ref: Named<'a>, secret_key_ref: Named<'a>, }
    Env<'a> { value_from: ValueFrom<'a>, }
    EnvFrom<'a> { config_map_ref: Named<'a>, secret_ref: Named<'a>, }
    Container<'a> {
        name: S<'a>, image: S<'a>, resources: Requirements<'a>, ports: Vec<Port<'a>>,
        liveness_probe: Probe<'a>, readiness_probe: Probe<'a>, startup_probe: Probe<'a>,
        restart_policy: S<'a>, env: Vec<Env<'a>>, env_from: Vec<EnvFrom<'a>>,
        command: Vec<S<'a>>, args: Vec<S<'a>>, volume_mounts: Vec<VolumeMount<'a>>,
        security_context: SecurityContext,
    }
    VolumeMount<'a> { name: S<'a>, mount_path: S<'a>, read_only: bool, }
    SecurityContext { run_as_user: N, fs_group: N, }
    Toleration<'a> { key: S<'a>, operator: S<'a>, value: S<'a>, effect: S<'a>, }
    NodeAffinity { required_during_scheduling_ignored_during_execution: Present, }
    Affinity { node_affinity: NodeAffinity, }
    SecretVolume<'a> { secret_name: S<'a>, }
    ClaimVolume<'a> { claim_name: S<'a>, }
    Projection<'a> { config_map: Named<'a>, secret: Named<'a>, }
    Projected<'a> { sources: Vec<Projection<'a>>, }
    Volume<'a> {
        name: S<'a>, config_map: Named<'a>, secret: SecretVolume<'a>, persistent_volume_claim: ClaimVolume<'a>,
        projected: Projected<'a>, empty_dir: Present, ephemeral: Present,
    }
    ReadinessGate<'a> { condition_type: S<'a>, }
    PodSpec<'a> {
        node_name: S<'a>, init_containers: Vec<Container<'a>>, containers: Vec<Container<'a>>,
        ephemeral_containers: Vec<Container<'a>>, volumes: Vec<Volume<'a>>, node_selector: Pairs<'a>,
        service_account_name: S<'a>, priority: N, host_network: bool, restart_policy: S<'a>,
        scheduling_gates: Vec<Named<'a>>, readiness_gates: Vec<ReadinessGate<'a>>,
        termination_grace_period_seconds: N, image_pull_secrets: Vec<Named<'a>>,
        security_context: SecurityContext, tolerations: Vec<Toleration<'a>>, affinity: Affinity,
        scheduler_name: S<'a>, resources: Requirements<'a>,
    }
    Waiting<'a> { reason: S<'a>, message: S<'a>, }
    Running { started_at: When, }
    Terminated<'a> {
        exit_code: N, signal: N, reason: S<'a>, message: S<'a>, started_at: When, finished_at: When,
    }
    State<'a> { waiting: Waiting<'a>, running: Running, terminated: Terminated<'a>, }
    ContainerStatus<'a> {
        name: S<'a>, ready: bool, started: bool, restart_count: N, state: State<'a>, last_state: State<'a>,
    }
    PodStatus<'a> {
        phase: S<'a>, reason: S<'a>, message: S<'a>, #[serde(rename = "podIP")] pod_ip: S<'a>, start_time: When,
        conditions: Vec<Condition<'a>>, container_statuses: Vec<ContainerStatus<'a>>,
        init_container_statuses: Vec<ContainerStatus<'a>>, ephemeral_container_statuses: Vec<ContainerStatus<'a>>,
    }
    Pod<'a> { metadata: Meta<'a>, spec: PodSpec<'a>, status: PodStatus<'a>, }

    Taint<'a> { key: S<'a>, value: S<'a>, effect: S<'a>, time_added: When, }
    NodeSpec<'a> { unschedulable: bool, taints: Vec<Taint<'a>>, }
    Address<'a> { #[serde(rename = "type")] kind: S<'a>, address: S<'a>, }
    NodeInfo<'a> {
        kubelet_version: S<'a>, container_runtime_version: S<'a>, kernel_version: S<'a>, os_image: S<'a>,
        architecture: S<'a>,
    }
    NodeStatus<'a> {
        conditions: Vec<Condition<'a>>, capacity: Pairs<'a>, allocatable: Pairs<'a>, addresses: Vec<Address<'a>>,
        node_info: NodeInfo<'a>,
    }
    Node<'a> { metadata: Annotated<'a>, spec: NodeSpec<'a>, status: NodeStatus<'a>, }

    Reference<'a> { kind: S<'a>, namespace: S<'a>, name: S<'a>, uid: S<'a>, field_path: S<'a>, }
    Series { count: N, last_observed_time: When, }
    Source<'a> { component: S<'a>, host: S<'a>, }
    // Covers core/v1 and events.k8s.io/v1, which name the fields of the same stored object differently.
    Event<'a> {
        metadata: Meta<'a>, #[serde(rename = "type")] kind: S<'a>, reason: S<'a>, series: Series, event_time: When,
        involved_object: Reference<'a>, regarding: Reference<'a>, message: S<'a>, note: S<'a>,
        count: N, deprecated_count: N, first_timestamp: When, deprecated_first_timestamp: When,
        last_timestamp: When, deprecated_last_timestamp: When, source: Source<'a>, deprecated_source: Source<'a>,
        reporting_component: S<'a>, reporting_controller: S<'a>, reporting_instance: S<'a>,
    }

    Expression<'a> { key: S<'a>, operator: S<'a>, values: Vec<S<'a>>, }
    LabelSelector<'a> { match_labels: Pairs<'a>, match_expressions: Vec<Expression<'a>>, }
    Template<'a> { spec: PodSpec<'a>, }
    RollingUpdate<'a> { max_unavailable: S<'a>, max_surge: S<'a>, partition: N, }
    Strategy<'a> { #[serde(rename = "type")] kind: S<'a>, rolling_update: RollingUpdate<'a>, }
    WorkloadSpec<'a> {
        replicas: N, selector: LabelSelector<'a>, template: Template<'a>, paused: bool, strategy: Strategy<'a>,
        update_strategy: Strategy<'a>, progress_deadline_seconds: N, revision_history_limit: N,
        service_name: S<'a>,
    }
    WorkloadStatus<'a> {
        replicas: N, updated_replicas: N, ready_replicas: N, available_replicas: N, observed_generation: N,
        conditions: Vec<Condition<'a>>, current_revision: S<'a>, update_revision: S<'a>,
        desired_number_scheduled: N, current_number_scheduled: N, updated_number_scheduled: N, number_ready: N,
        number_available: N,
    }
    Workload<'a> { metadata: ManagedAnnotated<'a>, spec: WorkloadSpec<'a>, status: WorkloadStatus<'a>, }

    JobSpec<'a> {
        completions: N, parallelism: N, backoff_limit: N, active_deadline_seconds: N, suspend: bool,
        template: Template<'a>,
    }
    JobStatus<'a> {
        active: N, succeeded: N, failed: N, start_time: When, completion_time: When,
        failed_indexes: S<'a>, conditions: Vec<Condition<'a>>,
    }
    Job<'a> { metadata: Managed<'a>, spec: JobSpec<'a>, status: JobStatus<'a>, }
    CronJobSpec<'a> { schedule: S<'a>, time_zone: S<'a>, suspend: bool, starting_deadline_seconds: N, }
    CronJobStatus { active: Vec<Present>, last_schedule_time: When, last_successful_time: When, }
    CronJob<'a> { metadata: Managed<'a>, spec: CronJobSpec<'a>, status: CronJobStatus, }

    ServicePort<'a> { name: S<'a>, port: N, target_port: S<'a>, protocol: S<'a>, node_port: N, }
    ServiceSpec<'a> {
        #[serde(rename = "type")] kind: S<'a>, #[serde(rename = "clusterIP")] cluster_ip: S<'a>,
        selector: Pairs<'a>, ports: Vec<ServicePort<'a>>, publish_not_ready_addresses: bool,
        external_name: S<'a>,
    }
    Service<'a> { metadata: Managed<'a>, spec: ServiceSpec<'a>, }
    EndpointConditions { ready: bool, }
    Endpoint<'a> { conditions: EndpointConditions, addresses: Vec<S<'a>>, }
    EndpointSlice<'a> { metadata: Meta<'a>, endpoints: Vec<Endpoint<'a>>, ports: Vec<Port<'a>>, }

    ClaimSpec<'a> {
        storage_class_name: S<'a>, volume_name: S<'a>, resources: Requirements<'a>, access_modes: Vec<S<'a>>,
    }
    ClaimStatus<'a> { phase: S<'a>, capacity: Pairs<'a>, conditions: Vec<Condition<'a>>, }
    Claim<'a> { metadata: Managed<'a>, spec: ClaimSpec<'a>, status: ClaimStatus<'a>, }
    QuotaStatus<'a> { hard: Pairs<'a>, used: Pairs<'a>, }
    Quota<'a> { metadata: Managed<'a>, status: QuotaStatus<'a>, }
    BudgetSpec<'a> {
        selector: LabelSelector<'a>, min_available: S<'a>, max_unavailable: S<'a>,
        unhealthy_pod_eviction_policy: S<'a>,
    }
    BudgetStatus {
        current_healthy: N, desired_healthy: N, disruptions_allowed: N, expected_pods: N, observed_generation: N,
    }
    Budget<'a> { metadata: Managed<'a>, spec: BudgetSpec<'a>, status: BudgetStatus, }
    ScaleTarget<'a> { kind: S<'a>, name: S<'a>, }
    AutoscalerSpec<'a> { scale_target_ref: ScaleTarget<'a>, min_replicas: N, max_replicas: N, }
    AutoscalerStatus<'a> { current_replicas: N, desired_replicas: N, conditions: Vec<Condition<'a>>, }
    Autoscaler<'a> { metadata: Managed<'a>, spec: AutoscalerSpec<'a>, status: AutoscalerStatus<'a>, }
    NamespaceStatus<'a> { phase: S<'a>, conditions: Vec<Condition<'a>>, }
    Namespace<'a> { metadata: Managed<'a>, status: NamespaceStatus<'a>, }
    Configuration<'a> { metadata: Managed<'a>, }

    // Annotations that the judge reads: the default class, an Ingress class, and the programs that hold a
    // node.
    Deciding<'a> {
        #[serde(rename = "storageclass.kubernetes.io/is-default-class")] storage: S<'a>,
        #[serde(rename = "ingressclass.kubernetes.io/is-default-class")] ingress: S<'a>,
        #[serde(rename = "kubernetes.io/ingress.class")] ingress_class: S<'a>,
        #[serde(rename = "weave.works/kured-reboot-in-progress")] kured: S<'a>,
        #[serde(rename = "quarantineHealthEvent")] health_event: S<'a>,
        #[serde(rename = "machineconfiguration.openshift.io/state")] machine_config: S<'a>,
        #[serde(rename = "cluster.x-k8s.io/machine")] cluster_api: S<'a>,
    }
    Annotated<'a> {
        name: S<'a>, namespace: S<'a>, uid: S<'a>, resource_version: S<'a>, generation: N,
        creation_timestamp: When, deletion_timestamp: When, labels: Pairs<'a>,
        owner_references: Vec<OwnerReference<'a>>, managed_fields: Vec<ManagedFields<'a>>,
        annotations: Deciding<'a>,
    }
    PersistentVolumeSpec<'a> {
        capacity: Pairs<'a>, access_modes: Vec<S<'a>>, claim_ref: Reference<'a>, storage_class_name: S<'a>,
    }
    PersistentVolumeStatus<'a> { phase: S<'a>, message: S<'a>, }
    PersistentVolume<'a> { metadata: Managed<'a>, spec: PersistentVolumeSpec<'a>, status: PersistentVolumeStatus<'a>, }
    StorageClass<'a> {
        metadata: Annotated<'a>, provisioner: S<'a>, volume_binding_mode: S<'a>, allow_volume_expansion: bool,
    }
    ResourceSliceSpec<'a> { node_name: S<'a>, driver: S<'a>, devices: Vec<Present>, }
    ResourceSlice<'a> { metadata: Managed<'a>, spec: ResourceSliceSpec<'a>, }
    BackendPort<'a> { name: S<'a>, number: N, }
    ServiceBackend<'a> { name: S<'a>, port: BackendPort<'a>, }
    Backend<'a> { service: ServiceBackend<'a>, }
    IngressPath<'a> { path: S<'a>, backend: Backend<'a>, }
    IngressHttp<'a> { paths: Vec<IngressPath<'a>>, }
    IngressRule<'a> { host: S<'a>, http: IngressHttp<'a>, }
    IngressTls<'a> { secret_name: S<'a>, hosts: Vec<S<'a>>, }
    IngressSpec<'a> {
        ingress_class_name: S<'a>, default_backend: Backend<'a>, rules: Vec<IngressRule<'a>>,
        tls: Vec<IngressTls<'a>>,
    }
    LoadBalancer { ingress: Vec<Present>, }
    IngressStatus { load_balancer: LoadBalancer, }
    Ingress<'a> { metadata: Annotated<'a>, spec: IngressSpec<'a>, status: IngressStatus, }
    IngressClassSpec<'a> { controller: S<'a>, }
    IngressClass<'a> { metadata: Annotated<'a>, spec: IngressClassSpec<'a>, }
    IpBlock<'a> { cidr: S<'a>, except: Vec<S<'a>>, }
    Peer<'a> {
        pod_selector: LabelSelector<'a>, namespace_selector: LabelSelector<'a>, ip_block: IpBlock<'a>,
    }
    PolicyPort<'a> { protocol: S<'a>, port: S<'a>, end_port: N, }
    PolicyRule<'a> { from: Vec<Peer<'a>>, to: Vec<Peer<'a>>, ports: Vec<PolicyPort<'a>>, }
    NetworkPolicySpec<'a> {
        pod_selector: LabelSelector<'a>, policy_types: Vec<S<'a>>, ingress: Vec<PolicyRule<'a>>,
        egress: Vec<PolicyRule<'a>>,
    }
    NetworkPolicy<'a> { metadata: Managed<'a>, spec: NetworkPolicySpec<'a>, }
    ApiServiceSpec<'a> { group: S<'a>, version: S<'a>, service: Reference<'a>, }
    ApiServiceStatus<'a> { conditions: Vec<Condition<'a>>, }
    ApiService<'a> { metadata: Managed<'a>, spec: ApiServiceSpec<'a>, status: ApiServiceStatus<'a>, }
    CrdNames<'a> { kind: S<'a>, }
    CrdVersion<'a> { name: S<'a>, served: bool, }
    ClientConfig<'a> { service: Reference<'a>, }
    ConversionWebhook<'a> { client_config: ClientConfig<'a>, }
    Conversion<'a> { webhook: ConversionWebhook<'a>, }
    CrdSpec<'a> { group: S<'a>, names: CrdNames<'a>, versions: Vec<CrdVersion<'a>>, conversion: Conversion<'a>, }
    CrdStatus<'a> { stored_versions: Vec<S<'a>>, conditions: Vec<Condition<'a>>, }
    Crd<'a> { metadata: Managed<'a>, spec: CrdSpec<'a>, status: CrdStatus<'a>, }
    WebhookRule<'a> { api_groups: Vec<S<'a>>, resources: Vec<S<'a>>, }
    Webhook<'a> {
        name: S<'a>, client_config: ClientConfig<'a>, failure_policy: S<'a>, rules: Vec<WebhookRule<'a>>,
        namespace_selector: LabelSelector<'a>,
    }
    WebhookConfiguration<'a> { metadata: Managed<'a>, webhooks: Vec<Webhook<'a>>, }

    // `metav1.Status`, as far as refusals and ERROR events need it.
    RetryDetails { retry_after_seconds: N, }
    Status<'a> { code: N, reason: S<'a>, message: S<'a>, details: RetryDetails, metadata: ListMeta<'a>, }
    ListMeta<'a> {
        resource_version: S<'a>, #[serde(rename = "continue")] next: S<'a>, remaining_item_count: N,
    }
}
