/**
 * Version of the provider contract. It rises when a provider written against the one before could no longer be used as
 * it is; what is only added does not raise it.
 */
export const CONTRACT_VERSION = 1;
