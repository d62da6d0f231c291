"""What aio uses of libraries that they do not promise: each reach stands here by name, and fails here, in words, when a library changes.

Where a reach is proven by use, the test that does so is named beside it.
"""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest

AIO = Path(__file__).resolve().parent.parent / "aio"

PRIVATE = {
    "__main__: _signal",                                # CPython's own half of signal
    "__main__: os._exit", "machine.signals: os._exit",  # documented, for all its name
    "config.files: omegaconf._utils.get_yaml_loader",
    "config.grammar: override._value",
    "config.sources: hydra._internal.core_plugins.file_config_source",
    "config.sources: hydra._internal.sources_registry.SourcesRegistry",
    "config.sources: ConfigSource._get_header_dict",
    "ui.recipes: catalogue._composing",                 # aio's own
    "ui.serving: blocks.mcp_server_obj._client_instance",
}


def test_every_private_name_that_aio_reaches_for_stands_here():
    found = set()
    for path in AIO.rglob("*.py"):
        name = path.relative_to(AIO).with_suffix("").as_posix().replace("/", ".")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and hidden(node.attr) and ast.unparse(node.value) not in ("self", "cls"):
                found.add(f"{name}: {ast.unparse(node)}")
            elif isinstance(node, ast.ImportFrom) and any(map(hidden, [*node.module.split("."), *(alias.name for alias in node.names)])):
                found |= {f"{name}: {node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {f"{name}: {alias.name}" for alias in node.names if any(map(hidden, alias.name.split(".")))}
    assert found - {reach for reach in found if reach.split(": ")[1].startswith("aio.")} == PRIVATE


def hidden(name):
    return name.startswith("_") and not name.startswith("__")


# Hydra and OmegaConf

def test_omegaconfs_yaml_loader_has_the_resolvers_of_plain_values():
    from omegaconf._utils import get_yaml_loader

    resolvers = get_yaml_loader().yaml_implicit_resolvers
    assert isinstance(resolvers, dict) and all(isinstance(tag, str) for rules in resolvers.values() for tag, _ in rules)
    tags = {tag for rules in resolvers.values() for tag, _ in rules}
    assert "tag:yaml.org,2002:float" in tags and "tag:yaml.org,2002:timestamp" not in tags


def test_hydras_sources_are_classes_by_scheme_which_another_may_replace():
    from hydra._internal.core_plugins import file_config_source
    from hydra._internal.sources_registry import SourcesRegistry

    from aio import config

    config.compose()   # a first use of Hydra fills the register, and aio its own two in
    types, hydras = SourcesRegistry.instance().types, file_config_source.FileConfigSource
    # By module, since other tests of the process may have imported either anew.
    assert [one.__module__ for one in types["file"].__mro__[:2]] == ["aio.config.sources", hydras.__module__] and "aio" in types
    assert list(inspect.signature(hydras.__init__).parameters) == ["self", "provider", "path"]
    assert {"load_config", "is_group", "is_config", "available", "list", "scheme", "full_path", "_normalize_file_name"} <= set(dir(hydras))


def test_hydra_reads_the_head_of_a_file():
    from hydra.plugins.config_source import ConfigSource

    assert ConfigSource._get_header_dict("# @package _global_\n# words\nx: 1") == {"package": "_global_"}
    assert ConfigSource._get_header_dict("x: 1") == {"package": None}
    with pytest.raises(ValueError):
        ConfigSource._get_header_dict("# @package a b")


def test_an_override_of_hydra_keeps_its_quotes_inside():
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Quote, QuotedString

    (quoted,) = OverridesParser.create().parse_overrides(["a='b'"])
    assert isinstance(quoted._value, QuotedString) and quoted.value() == "b"
    assert QuotedString(text="it's", quote=Quote.single).with_quotes() == "'it\\'s'"


def test_hydras_grammar_asks_its_loader_for_the_choices_of_a_group_and_nothing_else():
    from hydra.core.override_parser.overrides_parser import OverridesParser

    asked = []
    loader = SimpleNamespace(get_group_options=lambda group_name, **_: asked.append(group_name) or ["fast", "slow"])
    (glob,) = OverridesParser.create(config_loader=loader).parse_overrides(["preset=glob(*)"])
    assert list(glob.sweep_string_iterator()) == ["fast", "slow"] and asked == ["preset"]


def test_hydra_keeps_one_global_instance_that_can_be_put_aside():
    from hydra.core.global_hydra import GlobalHydra

    instance = GlobalHydra.instance()
    assert "hydra" in vars(instance) and callable(instance.clear)


# The Hub

def test_the_hubs_client_is_one_that_can_be_made_again():
    pytest.importorskip("huggingface_hub")
    from huggingface_hub.utils import build_hf_headers, get_session

    shared = get_session()
    own = type(shared)(event_hooks=shared.event_hooks, follow_redirects=True, timeout=1.0)
    assert own.event_hooks.keys() == shared.event_hooks.keys() == {"request", "response"}
    assert "extensions" in inspect.signature(own.stream).parameters   # through which aio sees the connections
    own.close()
    assert "user-agent" in {name.lower() for name in build_hf_headers(library_name="aio")}


def test_the_hub_says_of_a_file_what_names_it_in_the_cache():
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import HfFileMetadata

    assert {"commit_hash", "etag", "size", "location"} <= set(HfFileMetadata.__dataclass_fields__)
    assert {"timeout", "endpoint", "library_name"} <= set(inspect.signature(get_hf_file_metadata).parameters)
    assert {"revision", "endpoint"} <= set(inspect.signature(hf_hub_url).parameters)


# Gradio; test_ui_strangers uses all of it over HTTP

def test_gradio_renders_its_stubs_by_a_function_of_a_module_and_salts_addresses_with_a_seed():
    pytest.importorskip("gradio")
    from aio.ui.toolkit import gr

    assert gr.component_meta.create_or_modify_pyi.__module__ == "aio.ui.toolkit"
    module = ast.parse(Path(gr.component_meta.__file__).read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.FunctionDef) and node.name == "create_or_modify_pyi" for node in module.body)
    text = Path(gr.processing_utils.__file__).read_text(encoding="utf-8")
    assert isinstance(gr.processing_utils.hash_seed, bytes) and text.count("hash_seed") > 1 and "hash_seed =" in text
    assert "inspect.getfile" in Path(gr.component_meta.__file__).read_text(encoding="utf-8")


def test_gradios_mcp_server_is_a_client_that_may_be_exchanged():
    pytest.importorskip("mcp")
    pytest.importorskip("gradio")
    from gradio.mcp import GradioMCPServer
    from gradio_client import Client

    assert "_client_instance" in inspect.getsource(GradioMCPServer.__init__)
    assert "if self._client_instance is None" in inspect.getsource(GradioMCPServer)
    wanted = {"download_files", "verbose", "analytics_enabled", "ssl_verify", "_skip_components", "headers"}
    assert wanted <= set(inspect.signature(Client.__init__).parameters)


def test_a_page_of_gradio_knows_its_functions_and_its_address():
    pytest.importorskip("gradio")
    from aio.ui.toolkit import gr

    with gr.Blocks() as blocks:
        box = gr.Textbox()
        box.change(lambda text: text, box, box, api_name="x")
    (function,) = blocks.fns.values()
    assert (function.api_name, len(function.inputs), function.queue) == ("x", 1, True) and callable(function.fn)
    assert "input_parameter_names" in dir(function)
    settings = {"ssr_mode", "mcp_server", "show_error", "enable_monitoring", "pwa", "share", "server_name", "prevent_thread_lock", "quiet"}
    assert settings <= set(inspect.signature(gr.Blocks.launch).parameters)
    assert {"share_url", "local_url"} <= set(vars(blocks)) | set(dir(type(blocks)))


# spaces; zerogpu_live forks it against a stand-in for the device API

def test_spaces_decorates_with_seconds_and_a_size():
    spaces = pytest.importorskip("spaces")
    assert {"duration", "size"} <= set(inspect.signature(spaces.GPU).parameters)


def test_the_words_by_which_spaces_refuses_stand_in_it():
    spaces = pytest.importorskip("spaces")
    text = "".join(path.read_text(encoding="utf-8") for path in (Path(spaces.__file__).parent / "zero").rglob("*.py"))
    for words in ("GPU task aborted", "No GPU was available", "ZeroGPU worker error", "quota exceeded"):
        assert words in text, words


# ComfyUI, as it is imported; test_comfyui runs it, the doctor all of its nodes

@pytest.mark.comfyui
def test_comfyui_has_what_aio_starts_and_runs_it_by():
    from aio import config
    from aio.comfyui import location

    found = location.find(config.compose().comfyui)

    def names(file):
        tree = ast.parse((found.path / file).read_text(encoding="utf-8"))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        made = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
        targets = [target for node in ast.walk(tree) if isinstance(node, (ast.Assign, ast.AnnAssign))
                   for target in (node.targets if isinstance(node, ast.Assign) else [node.target])]
        return made | {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}

    for file, wanted in {
        "comfy/options.py": {"enable_args_parsing"}, "comfy/cli_args.py": {"args", "enables_dynamic_vram"},
        "comfy/model_management.py": {
            "throw_exception_if_processing_interrupted", "interrupt_current_processing", "get_torch_device", "get_all_torch_devices", "is_nvidia",
            "unload_all_models", "cleanup_models_gc", "soft_empty_cache", "total_ram", "OOM_EXCEPTION"},
        "comfy/model_patcher.py": {"ModelPatcher", "ModelPatcherDynamic", "CoreModelPatcher"},
        "comfy/memory_management.py": {"aimdo_enabled"}, "comfy/sd.py": {"load_text_encoder_state_dicts"},
        "comfy_execution/progress.py": {"add_progress_handler", "get_progress_state", "ProgressHandler", "update_progress"},
        "comfy_execution/utils.py": {"get_executing_context"}, "execution.py": {"PromptExecutor", "CacheType", "validate_prompt"},
        "folder_paths.py": {"folder_names_and_paths", "filename_list_cache", "models_dir", "set_input_directory", "set_output_directory",
                            "set_temp_directory", "set_user_directory"},
        "nodes.py": {"NODE_CLASS_MAPPINGS", "load_custom_node", "init_extra_nodes"}, "server.py": {"PromptServer", "send_sync", "node_info"},
    }.items():
        assert wanted <= names(file), f"{file}: {sorted(wanted - names(file))} is gone"
