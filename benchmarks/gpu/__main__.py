"""The process in which `watched` runs a section's items; its one argument says which, as JSON."""

import functools
import json
import sys
from pathlib import Path

from tapegrad.benchmarks.gpu.report.machine import Machine
from tapegrad.benchmarks.gpu.report.processes import end_on_request
from tapegrad.benchmarks.gpu.report.section import items_of
from tapegrad.benchmarks.gpu.report.supervise import serve

end_on_request()
wanted = json.loads(sys.argv[1])
sys.exit(
    serve(
        functools.partial(items_of, wanted["source"]),
        Machine(wanted["device"], wanted["seconds"]),
        wanted["skip"],
        Path(wanted["file"]),
    )
)
