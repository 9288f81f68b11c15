"""The endpoints of `erpml.hub.v1.FeatureStoreService`: stored features, read and written by callers themselves."""
