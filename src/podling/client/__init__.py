"""How every component speaks to the API: transports, informers, listers, workqueue, event recorder."""
