import { HybridgeError } from "@hybridge/core";

/** A component of the local cloud did not start, or ended while it was starting. */
export class ComponentFailedError extends HybridgeError {
  readonly code = "LOCAL_COMPONENT_FAILED";
  readonly retry = "backoff";
}

/** Another program that is alive runs a component in this folder. */
export class FolderInUseError extends HybridgeError {
  readonly code = "LOCAL_FOLDER_IN_USE";
  readonly retry = "never";
}

/** A port that a component was told to listen on is taken. */
export class PortInUseError extends HybridgeError {
  readonly code = "LOCAL_PORT_IN_USE";
  readonly retry = "never";
}

/** The Java components are not in the cache, or not the locked ones. */
export class ComponentsMissingError extends HybridgeError {
  readonly code = "LOCAL_COMPONENTS_MISSING";
  readonly retry = "never";
}
