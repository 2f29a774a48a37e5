//! What runs behind the API server: controllers, scheduler, kubelets and the containers they run.
