"""The keys of MI's deployment.toml that this service does not use.

Taken from the key mappings, defaults and templates of MI 4.x. Companies use the file that they
have: such keys are named in a note instead of stopping the start.
"""

from __future__ import annotations

from collections.abc import Mapping

KeyPath = tuple[str, ...]

_SERVER = """
    hostname node_ip offset hot_deployment enable_mtom enableMTOM enable_swa enableSwA userAgent
    serverDetails synapse_config_file_path hide_admin_service_wsdl proxy_context_path
    web_context_root enable_security_deployment_interceptor http_content_negotiation
    auth2_token_validation_service identity_server_username identity_server_password
    get_request_processor roles cache_attachments attachment_dir size_threshold disable_rest
    sandesha2_storage_manager service_path services_directory modules_directory
    send_stacktrace_details_with_faults drill_down_to_root_cause_for_fault_reason
    manage_transport_session config_context_timeout_interval synapse_config_home_directory
    synapse_config_resolve_root synapse_config_server_name enable_basic_auth blocking
    graceful_shutdown_enabled graceful_shutdown_timeout gracefulShutdownEnabled
    gracefulShutdownTimeout
"""
_USER_STORE = """
    class username_javascript_regex username_java_regex_violation_error_msg
    password_javascript_regex password_java_regex_violation_error_msg rolename_javascript_regex
    rolename_java_regex_violation_error_msg is_bulk_import_supported anonymous_bind
    display_name_attribute back_links_enabled scim_enabled password_hash_method
    multi_attribute_separator max_user_name_list_length
    max_role_name_list_length user_roles_cache_enabled connection_pooling_enabled retry_attempts
    replace_escape_characters_at_user_login connection_retry_delay count_retriever_class
    use_case_sensitive_username_for_cache_keys case_sensitive_authorization_rules
    notification_receivers_retrieval_class domain_name driver_name disable kdc_enabled
    default_realm_name membership_attribute_range ssl_certificate_validation_enabled
    enable_max_user_limit_for_scim user_dn_cache_enabled user_cache_expiry_milliseconds referral
    tenant_manager properties empty_roles_allowed
"""
_MANAGEMENT_API = """
    protocols name class handler security_handler basic_security_handler custom_handlers
    jwt_token_security_handler.token_store_config jwt_token_security_handler.token_config.size
"""

_ICP_CONFIG = """
    jwt_scope jwt_expiry_seconds jwt_clock_skew_tolerance_ms command_result_cache_size_mb
"""

_SECTIONS = """
    analytics authorization_manager axis2_transport blocking cluster_config
    custom_message_builders custom_message_formatters custom_transport database
    encryption event_handler event_listener external_vault internal_api
    internal_api_ssl_config internal_apis keystore liveness_probe
    management_api_basic_security_handler management_api_token_handler mediation message_builders
    message_formatters monitoring opentelemetry passthru_properties prometheus_api readiness_probe
    secondary secrets server_conf service_catalog
    synapse_handlers synapse_properties system task_handling tasks transaction_counter transport
    truststore
"""

SECTIONS_OF_MI = frozenset(_SECTIONS.split())

KEYS_OF_MI = frozenset(
    [
        *(("server", key) for key in _SERVER.split()),
        *(("user_store", key) for key in _USER_STORE.split()),
        *(("management_api", *key.split(".")) for key in _MANAGEMENT_API.split()),
        *(("icp_config", key) for key in _ICP_CONFIG.split()),
        ("super_admin", "create_admin_account"),
        # `maxActive` is taken, see `OTHER_NAMES`.
        *(("datasource", key) for key in ("driver", "jmx_enable", "pool_options")),
    ]
)

# MI and its documentation use both names.
OTHER_NAMES: Mapping[KeyPath, KeyPath] = {
    ("user_store", "start_tls_enabled"): ("user_store", "start_tls"),
    ("management_api", "cors", "enabled"): ("management_api", "cors", "enable"),
    ("datasource", "pool_options", "maxActive"): ("datasource", "max_active"),
}
