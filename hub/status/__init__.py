"""What is live of every model: versions, nodes, proof, since when and by whom."""
