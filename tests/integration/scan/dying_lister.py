"""A lister that dies after its first chunk."""

import os
import sys
from multiprocessing.connection import Connection

from transfers.scan import lister

connection = Connection(int(sys.argv[1]))
answers = lister._answers(connection.recv(), connection.recv())
connection.send(next(answers))
connection.send(next(answers))
os._exit(9)
