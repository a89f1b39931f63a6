"""Past one machine: the captioner as a service of many replicas, and collections captioned by a cluster.

what is asked over HTTP   contract.py    photo bytes and options in, a Description's record out
  | another machine       client.py      RemoteCaptioner: what the page needs of a Captioner, asked over HTTP
  v
a replica                 deployment.py  Ray Serve: opens photos, batches questions, drains when it is stopped
  | a batch               describing.py  encodes all photos together, searches those with the same options together
the cluster               cluster.py     started here or joined; nothing is reported to anybody
  | how it is served      options.py     replicas, batch, GPU fractions
  | `serve`               run.py         deploys, changes the checkpoint of what runs, stops without losing anything
  | `caption --ray`       dataset.py     Ray Data: photos of a folder or of S3 in, Parquet out

Ray is an extra (`pip install -r captioner/serving/requirements.txt`); contract, client, describing and options do
without it. README.md beside this file holds what was measured, and what 1, 8 and 64 GPUs carry.
"""
