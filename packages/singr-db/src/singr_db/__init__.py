"""Tables, migrations, the tenant fence, sealing at rest and the object store."""
