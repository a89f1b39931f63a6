"""`python -m captioner serve`: the captioner as a service of many replicas."""

from __future__ import annotations

import argparse

from captioner.commands.model_flags import portable
from captioner.hub import source_argument

DESCRIPTION = """\
Serve captions over HTTP from several copies of a model, with Ray Serve. Photos that come at the same time run together;
with replicas such as 1-4 their number follows the length of the queue. It needs
pip install -r captioner/serving/requirements.txt

  python -m captioner serve --replicas 2                 on http://127.0.0.1:8000, stopped with Ctrl+C
  python -m captioner serve --replicas 1-4 --num-gpus 0.5    two replicas share a GPU
  python app.py --backend http://127.0.0.1:8000          the page, captioning there
  curl --data-binary @beach.jpg http://127.0.0.1:8000/describe

On a cluster that runs (ray start --head, then ray start --address on other machines) the service stays when the command
has ended, and the same command with another --checkpoint changes it without failing a request:

  python -m captioner serve --cluster auto --replicas 8 --num-gpus 1 --checkpoint hf://owner/name
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "serve",
        help="serve captions from several copies of a model",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        type=source_argument,
        default=None,
        metavar="FILE",
        help="model, a file that every machine has or hf://owner/name[@revision] (default: the one shipped)",
    )
    parser.add_argument("--replicas", default="1", metavar="N[-M]", help="how many, or the least and most (default 1)")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="photos run together at most (default 16)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="1 to 65535 (default 8000)")
    parser.add_argument("--cpus", type=float, default=1.0, metavar="C", help="cores of a replica (default 1)")
    parser.add_argument(
        "--num-gpus",
        type=float,
        default=0.0,
        metavar="G",
        help="share of a GPU that a replica has, 0 to 1 (default 0: the CPU)",
    )
    parser.add_argument(
        "--surge",
        type=int,
        default=0,
        metavar="PERCENT",
        help="extra replicas while a checkpoint is changed; needs room for them (default 0)",
    )
    parser.add_argument(
        "--cluster", default=None, metavar="ADDRESS", help='a cluster that runs, "auto" for this machine\'s'
    )
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Serve; returns 0 when it was stopped, or when a running cluster has taken the service over."""
    from captioner.checkpoint import default_checkpoint
    from captioner.serving.cluster import Cluster, require_ray
    from captioner.serving.options import Door, ServingOptions, read_replicas
    from captioner.serving.run import serve_captioner

    require_ray()
    least, most = read_replicas(options.replicas)
    serving = ServingOptions(
        checkpoint=portable(options.checkpoint or default_checkpoint()),
        least=least,
        most=most,
        batch=options.batch,
        cpus=options.cpus,
        gpus=options.num_gpus,
        surge=options.surge,
    )
    door = Door(options.host, options.port)
    cores = serving.cpus * most * (1 + serving.surge / 100)
    serve_captioner(serving, door, Cluster(options.cluster, cores), lambda line: print(line, flush=True))
    return 0
